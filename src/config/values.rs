//! Sizes as people write them, and what to say when they cannot be read.

use bytesize::ByteSize;

use crate::domain::written::Unreadable;

/// Reads a size in bytes: `512MB` is 512,000,000 and `512MiB` is 536,870,912.
pub(super) fn size(text: &str) -> Result<u64, Unreadable> {
    let text = text.trim();
    if let Some(bare) = bare_number(text) {
        return Err(Unreadable::new(
            "a size needs a unit",
            format!("write \"{bare}MB\", or \"{bare}B\" if bytes are meant"),
        ));
    }
    if text.starts_with('-') {
        return Err(Unreadable::new(
            "a size cannot be negative",
            "leave the minus sign out",
        ));
    }
    match text.parse::<ByteSize>() {
        Ok(ByteSize(0)) => Err(Unreadable::new(
            "a size cannot be zero",
            "write for example \"512MB\"",
        )),
        Ok(size) => Ok(size.as_u64()),
        Err(_) => Err(Unreadable::new(
            "not a size",
            "write for example \"512MB\" (512,000,000 bytes), \"512MiB\" (536,870,912) or \"2GB\"",
        )),
    }
}

fn bare_number(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_unless_they_say_i() {
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("512M", 512_000_000),
            ("1 GiB", 1 << 30),
            ("1.5GB", 1_500_000_000),
            ("10B", 10),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("512", "a size needs a unit"),
            ("-1GB", "a size cannot be negative"),
            ("0MB", "a size cannot be zero"),
            ("much", "not a size"),
        ] {
            assert_eq!(size(text).unwrap_err().why, why, "{text}");
        }
    }
}
