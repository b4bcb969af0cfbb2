// SPDX-License-Identifier: GPL-2.0
//! Sizes the way people write them: `512`, `4K`, `1M`.

/// Parses a number of bytes: decimal digits, and perhaps K, M, G or T for powers of 1024.
///
/// `KiB` and so on mean the same as K.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KIB" => 10,
        "M" | "MIB" => 20,
        "G" | "GIB" => 30,
        "T" | "TIB" => 40,
        _ => return Err("a size is a number, and perhaps K, M, G or T: 4096, 4K, 1M".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a size begins with a number: 4096, 4K, 1M".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "more bytes than 64 bits can count".into())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4K", 4096),
            ("4k", 4096),
            ("1M", 1 << 20),
            ("1MiB", 1 << 20),
            ("2G", 2 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_size_is_refused() {
        for text in ["", "K", "-1", "1.5M", "4 K", "4X", "99999999999T", "0x10"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
