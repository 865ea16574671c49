//! Pseudo-random numbers and hashing, without a source of randomness: the caller passes the seed.

/// A pseudo-random sequence determined by its seed (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// In 0.0..1.0.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.next())
    }
}

/// A number of 64 bits brought to 0..`end`.
pub(crate) fn scale(number: u64, end: u64) -> u64 {
    ((u128::from(number) * u128::from(end)) >> 64) as u64
}

/// A number of 64 bits brought to 0.0..1.0.
pub(crate) fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

/// Hashes two numbers into one; neither can be derived from it.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    finish(a.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ finish(b.wrapping_add(0xd1b5_4a32_d192_ed03)))
}

/// A number for a text, the same in every process.
pub(crate) fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| mix(sum, u64::from(byte)))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
