//! Status lists as bytes: Token Status List (draft-ietf-oauth-status-list-21), section 4.
//!
//! An entry has 1, 2, 4 or 8 bits. Entries fill each byte from its lowest bit, and bytes come in order; the whole is compressed by zlib
//! (RFC 1950) and written as base64url. Nothing is inflated beyond a bound: the memory is taken step by step and never more than that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Most bytes of a list once it is inflated: 8,388,608 entries of 8 bits, 33,554,432 of 2.
pub const INFLATED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Memory that inflation takes at first, and at least each time it needs more.
const STEP_BYTES: usize = 64 * 1024;
/// Most that compression can add to what is compressed by nothing: header, trailer and frames of stored blocks.
const FRAME_BYTES: usize = 1024;

/// How many bits an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bits {
    /// Valid or not.
    One,
    /// Valid, revoked, suspended, and one value that applications give a meaning.
    Two,
    /// Sixteen values.
    Four,
    /// 256 values.
    Eight,
}

impl Bits {
    /// Returns the width with a number of bits, or `None`.
    #[must_use]
    pub const fn of_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            4 => Some(Self::Four),
            8 => Some(Self::Eight),
            _ => None,
        }
    }

    /// Returns the number of bits.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// Returns the lowest bits, all set: the greatest value of an entry.
    #[must_use]
    pub const fn mask(self) -> u8 {
        match self {
            Self::One => 0b1,
            Self::Two => 0b11,
            Self::Four => 0b1111,
            Self::Eight => 0b1111_1111,
        }
    }

    /// Returns how many entries some bytes hold.
    #[must_use]
    pub fn entries_in(self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        bytes.saturating_mul(8 / u64::from(self.number()))
    }

    /// Returns in which byte an entry lies, and by how many bits it is shifted there.
    #[must_use]
    pub fn place_of(self, index: u64) -> (usize, u8) {
        let per_byte = 8 / u64::from(self.number());
        let byte = usize::try_from(index / per_byte).unwrap_or(usize::MAX);
        let slot = u8::try_from(index % per_byte).unwrap_or_default();
        (byte, slot * self.number())
    }
}

/// Why a list cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// `bits` is none of 1, 2, 4 and 8.
    #[error("entries have 1, 2, 4 or 8 bits")]
    Bits,
    /// `lst` is not base64url without padding.
    #[error("the list is not base64url without padding")]
    Base64,
    /// What is compressed is no zlib stream, or is damaged.
    #[error("the list is no whole zlib stream")]
    Zlib,
    /// Something follows the zlib stream.
    #[error("something follows the list's zlib stream")]
    Trailing,
    /// It would be larger than what is taken.
    #[error("the list inflates to more than {bytes_max} bytes")]
    TooLarge {
        /// Most bytes that are taken.
        bytes_max: usize,
    },
}

/// A list, inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    bits: Bits,
    bytes: Vec<u8>,
}

impl Entries {
    /// Returns a list of some bytes whose every entry is 0.
    #[must_use]
    pub fn zeros(bits: Bits, bytes: usize) -> Self {
        Self { bits, bytes: vec![0; bytes] }
    }

    /// Returns the list of some bytes.
    #[must_use]
    pub const fn of_bytes(bits: Bits, bytes: Vec<u8>) -> Self {
        Self { bits, bytes }
    }

    /// Reads what stands in a token: `bits` and `lst`.
    ///
    /// # Errors
    ///
    /// What is wrong with it; [`CodecError::TooLarge`] beyond `bytes_max`.
    pub fn decode(bits: i64, lst: &str, bytes_max: usize) -> Result<Self, CodecError> {
        let bits = Bits::of_number(bits).ok_or(CodecError::Bits)?;
        let compressed = URL_SAFE_NO_PAD.decode(lst).map_err(|_| CodecError::Base64)?;
        Self::inflate(bits, &compressed, bytes_max)
    }

    /// Returns what stands in a token: `lst`.
    ///
    /// # Errors
    ///
    /// [`CodecError::Zlib`] when it cannot be compressed.
    pub fn encode(&self) -> Result<String, CodecError> {
        Ok(URL_SAFE_NO_PAD.encode(self.deflate()?))
    }

    /// Inflates a list.
    ///
    /// # Errors
    ///
    /// It is no zlib stream, or would have more than `bytes_max` bytes.
    pub fn inflate(bits: Bits, compressed: &[u8], bytes_max: usize) -> Result<Self, CodecError> {
        let mut inflater = Decompress::new(true);
        let mut bytes = Vec::with_capacity(STEP_BYTES.min(bytes_max.saturating_add(1)));
        loop {
            let taken = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
            let input = compressed.get(taken..).unwrap_or_default();
            let had = bytes.len();
            let status = inflater
                .decompress_vec(input, &mut bytes, FlushDecompress::None)
                .map_err(|_| CodecError::Zlib)?;
            if bytes.len() > bytes_max {
                return Err(CodecError::TooLarge { bytes_max });
            }
            let now_taken = usize::try_from(inflater.total_in()).unwrap_or(usize::MAX);
            if status == Status::StreamEnd {
                let whole = now_taken == compressed.len();
                bytes.shrink_to_fit();
                return if whole { Ok(Self { bits, bytes }) } else { Err(CodecError::Trailing) };
            }
            if bytes.len() == bytes.capacity() {
                // One byte more than is taken is enough to see that there is more.
                let room = bytes_max.saturating_add(1) - bytes.len();
                bytes.reserve_exact(room.min(bytes.len().max(STEP_BYTES)));
            } else if now_taken == taken && bytes.len() == had {
                return Err(CodecError::Zlib);
            }
        }
    }

    /// Compresses the list as its token has it.
    ///
    /// # Errors
    ///
    /// [`CodecError::Zlib`] when it cannot be compressed.
    pub fn deflate(&self) -> Result<Vec<u8>, CodecError> {
        let mut deflater = Compress::new(Compression::best(), true);
        let mut out = Vec::with_capacity(self.bytes.len() / 16 + FRAME_BYTES);
        loop {
            let taken = usize::try_from(deflater.total_in()).unwrap_or(usize::MAX);
            let input = self.bytes.get(taken..).unwrap_or_default();
            let status = deflater
                .compress_vec(input, &mut out, FlushCompress::Finish)
                .map_err(|_| CodecError::Zlib)?;
            match status {
                Status::StreamEnd => return Ok(out),
                Status::Ok | Status::BufError => out.reserve(out.capacity()),
            }
        }
    }

    /// Returns how many bits an entry has.
    #[must_use]
    pub const fn bits(&self) -> Bits {
        self.bits
    }

    /// Returns how many entries there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bits.entries_in(self.bytes.len())
    }

    /// Returns whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns an entry; `None` beyond the end.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u8> {
        let (byte, shift) = self.bits.place_of(index);
        self.bytes.get(byte).map(|byte| (byte >> shift) & self.bits.mask())
    }

    /// Changes an entry. Returns false, and changes nothing, beyond the end or for a value that needs more bits.
    pub fn set(&mut self, index: u64, value: u8) -> bool {
        let (place, shift) = self.bits.place_of(index);
        let mask = self.bits.mask();
        match self.bytes.get_mut(place) {
            Some(byte) if value <= mask => {
                *byte = (*byte & !(mask << shift)) | (value << shift);
                true
            }
            _ => false,
        }
    }

    /// Returns its bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use crate::credentials::status::codec::{Bits, CodecError, Entries, INFLATED_BYTES_MAX};

    #[test]
    fn entries_fill_each_byte_from_its_lowest_bit() {
        // Token Status List, sections 4.1 and 4.2: the two examples that are worked out bit by bit.
        let one = Entries::decode(1, "eNrbuRgAAhcBXQ", 2).unwrap();
        let read: Vec<u8> = (0..16).map(|index| one.get(index).unwrap()).collect();
        assert_eq!(read, [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
        assert_eq!(one.get(16), None);
        let two = Entries::decode(2, "eNo76fITAAPfAgc", 3).unwrap();
        let read: Vec<u8> = (0..12).map(|index| two.get(index).unwrap()).collect();
        assert_eq!(read, [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
        assert_eq!(two.len(), 12);
    }

    #[test]
    fn what_is_set_is_read_and_its_neighbours_are_not_touched() {
        for bits in [Bits::One, Bits::Two, Bits::Four, Bits::Eight] {
            let mut entries = Entries::zeros(bits, 64);
            let last = entries.len() - 1;
            for index in [0, 1, 7, last] {
                assert!(entries.set(index, bits.mask()));
            }
            assert!(entries.set(1, 0));
            let set: Vec<u64> = (0..=last).filter(|it| entries.get(*it) != Some(0)).collect();
            assert_eq!(set, [0, 7, last], "{bits:?}");
            assert!(!entries.set(last + 1, 1), "{bits:?}: beyond the end");
            assert_eq!(entries.get(last + 1), None);
            assert_eq!(entries.get(u64::MAX), None);
            if bits != Bits::Eight {
                assert!(!entries.set(0, bits.mask() + 1), "{bits:?}: too wide");
            }
            let read = Entries::decode(bits.number().into(), &entries.encode().unwrap(), 64);
            assert_eq!(read.unwrap(), entries);
        }
    }

    /// Zeros, compressed: a megabyte of them, as often as needed. Without the checksum at the end, which nobody gets to.
    fn bomb(mebibytes: usize) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.flush().unwrap();
        let head = encoder.get_ref().len();
        encoder.write_all(&vec![0; 1024 * 1024]).unwrap();
        encoder.flush().unwrap();
        let bytes = encoder.get_ref();
        [&bytes[..head], &bytes[head..].repeat(mebibytes)].concat()
    }

    #[test]
    fn a_list_that_inflates_beyond_the_bound_is_refused() {
        let mib = 1024 * 1024;
        let check = |mebibytes, bytes_max, expected| {
            let read = Entries::inflate(Bits::Eight, &bomb(mebibytes), bytes_max);
            assert_eq!(read.unwrap_err(), expected, "{mebibytes} MiB of {bytes_max}");
        };
        let too_large = |bytes_max| CodecError::TooLarge { bytes_max };
        check(1024, INFLATED_BYTES_MAX, too_large(8 * mib));
        check(9, INFLATED_BYTES_MAX, too_large(8 * mib));
        check(1, mib - 1, too_large(mib - 1));
        // Within the bound it is only not whole.
        check(8, INFLATED_BYTES_MAX, CodecError::Zlib);
        let whole = Entries::zeros(Bits::Eight, mib).deflate().unwrap();
        let read = |bytes_max| Entries::inflate(Bits::Eight, &whole, bytes_max).map(|it| it.len());
        assert_eq!(read(mib), Ok(1_048_576));
        assert_eq!(read(mib - 1), Err(too_large(mib - 1)));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let check = |bits, lst: &str, expected| {
            assert_eq!(Entries::decode(bits, lst, 1024).unwrap_err(), expected, "{lst}");
        };
        check(3, "eNrbuRgAAhcBXQ", CodecError::Bits);
        check(0, "eNrbuRgAAhcBXQ", CodecError::Bits);
        check(1, "eNrbuRgAAhcBXQ==", CodecError::Base64);
        check(1, "eNrb uRgAAhcBXQ", CodecError::Base64);
        check(1, "", CodecError::Zlib);
        check(1, "AAAA", CodecError::Zlib);
        // Cut short, its checksum changed, something after it.
        check(1, "eNrbuRgAAhcB", CodecError::Zlib);
        check(1, "eNrbuRgAAhcBXA", CodecError::Zlib);
        check(1, "eNrbuRgAAhcBXQAA", CodecError::Trailing);
    }
}
