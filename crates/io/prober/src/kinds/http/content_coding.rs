//! Content codings. None is requested, but some servers compress nevertheless.

use std::io::{self, Read};

/// More codings upon one another than this are left alone.
const CODINGS_MAX: usize = 3;
/// A window of zstd larger than this is refused, as browsers do (RFC 9659).
const WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A supported coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The codings of a body in the order in which they were applied, by the parts of `Content-Encoding`. Empty when there is none, or
/// an unknown one.
pub(super) fn codings(listed: &[String]) -> Vec<Coding> {
    let known = listed.iter().filter(|name| *name != "identity").map(|name| match name.as_str() {
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        "zstd" => Some(Coding::Zstd),
        _ => None,
    });
    known.collect::<Option<Vec<_>>>().filter(|codings| codings.len() <= CODINGS_MAX).unwrap_or_default()
}

/// Undoes the codings and hands out the content piece by piece, at most `limit` bytes of it, and no more when `each` says so.
/// How much was handed out, and whether that was all.
pub(super) fn unpack(
    packed: &[u8],
    codings: &[Coding],
    limit: usize,
    mut each: impl FnMut(&[u8]) -> bool,
) -> (usize, bool) {
    let Ok(mut reader) = reader(packed, codings) else { return (0, false) };
    let (mut bytes, mut piece) = (0, [0; 8 * 1024]);
    while bytes < limit {
        match reader.read(&mut piece) {
            Ok(0) => return (bytes, true),
            Ok(read) => {
                let read = read.min(limit - bytes);
                bytes += read;
                if !each(&piece[..read]) {
                    return (bytes, false);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was packed to here can be read all the same, as browsers do where a checksum or the end is missing.
            Err(_) => return (bytes, false),
        }
    }
    (bytes, false)
}

fn reader<'a>(packed: &'a [u8], codings: &[Coding]) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader: Box<dyn Read + 'a> = Box::new(packed);
    for coding in codings.iter().rev() {
        reader = match coding {
            Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Coding::Deflate => deflate(reader)?,
            Coding::Brotli => Box::new(brotli::Decompressor::new(reader, 8 * 1024)),
            Coding::Zstd => Box::new(
                ruzstd::decoding::StreamingDecoder::new_with_max_window_size(reader, WINDOW_BYTES_MAX)
                    .map_err(io::Error::other)?,
            ),
        };
    }
    Ok(reader)
}

/// `deflate` means zlib; some servers send it without zlib's wrapping, and browsers read both.
fn deflate<'a>(mut reader: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut begin = [0; 2];
    let mut got = 0;
    while got < begin.len() {
        match reader.read(&mut begin[got..])? {
            0 => break,
            read => got += read,
        }
    }
    let wrapped = begin[0] & 0x0f == 8 && u16::from_be_bytes(begin).is_multiple_of(31);
    let whole = io::Cursor::new(begin).take(got as u64).chain(reader);
    Ok(if wrapped {
        Box::new(flate2::read::ZlibDecoder::new(whole))
    } else {
        Box::new(flate2::read::DeflateDecoder::new(whole))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    /// "all is well", packed by the reference implementation of zstd.
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x59\x00\x00all is well\x48\xb5\x50\x5b";

    fn all(packed: &[u8], codings: &[Coding]) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let (bytes, whole) = unpack(packed, codings, 1 << 20, |piece| {
            all.extend_from_slice(piece);
            true
        });
        assert_eq!(bytes, all.len());
        (all, whole)
    }

    fn packed(mut reader: impl Read) -> Vec<u8> {
        let mut packed = Vec::new();
        reader.read_to_end(&mut packed).unwrap();
        packed
    }

    fn brotli(text: &[u8]) -> Vec<u8> {
        packed(brotli::CompressorReader::new(text, 4096, 5, 22))
    }

    #[test]
    fn each_coding_is_undone() {
        let text = &b"all is well"[..];
        let best = Compression::best();
        for (what, bytes, codings) in [
            ("gzip", packed(GzEncoder::new(text, best)), &[Coding::Gzip][..]),
            ("zlib", packed(ZlibEncoder::new(text, best)), &[Coding::Deflate]),
            ("bare deflate", packed(DeflateEncoder::new(text, best)), &[Coding::Deflate]),
            ("brotli", brotli(text), &[Coding::Brotli]),
            ("zstd", ZSTD.to_vec(), &[Coding::Zstd]),
            ("twice", brotli(&packed(GzEncoder::new(text, best))), &[Coding::Gzip, Coding::Brotli]),
        ] {
            assert_eq!(all(&bytes, codings), (text.to_vec(), true), "{what}");
        }
    }

    #[test]
    fn what_breaks_off_is_read_so_far() {
        let text = "well ".repeat(10_000);
        let whole = packed(GzEncoder::new(text.as_bytes(), Compression::none()));
        let (read, complete) = all(&whole[..whole.len() - 4], &[Coding::Gzip]);
        assert_eq!((read.len(), complete), (text.len(), false));
        assert_eq!(all(b"all is well", &[Coding::Gzip]), (Vec::new(), false));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let zeros = vec![0; 64 << 20];
        let bomb = packed(GzEncoder::new(zeros.as_slice(), Compression::fast()));
        let mut largest = 0;
        let (bytes, whole) = unpack(&bomb, &[Coding::Gzip], 1 << 20, |piece| {
            largest = largest.max(piece.len());
            true
        });
        assert_eq!((bytes, whole), (1 << 20, false));
        assert!(largest <= 8 * 1024);
    }

    #[test]
    fn unknown_codings_are_left_alone() {
        let list = |text: &str| codings(&text.split(", ").map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(list("x-gzip, br"), [Coding::Gzip, Coding::Brotli]);
        assert_eq!(list("identity"), []);
        assert_eq!(list("gzip, compress"), []);
        assert_eq!(list("gzip, gzip, gzip, gzip"), []);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..4, place in 0usize..20, flip in 1u8..) {
            let coding = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd][which];
            let _ = all(&bytes, &[coding]);
            let mut broken = ZSTD.to_vec();
            broken[place] ^= flip;
            let _ = all(&broken, &[Coding::Zstd]);
        }
    }
}
