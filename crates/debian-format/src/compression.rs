//! The compressions of packages and indices: bounded decoders, deterministic encoders.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use xz2::bufread::XzDecoder;
use xz2::stream::{Check, LzmaOptions, Stream};

use crate::error::{Error, Result};

/// What a decoder may use for its window, whatever the input asks for: 128 MiB. `xz -9` needs 65 MiB,
/// and `zstd --ultra -22` just as much as this, which is also where the `zstd` tool itself stops.
const MAX_WINDOW: u64 = 128 << 20;

/// Level 6 of gzip, as apt-ftparchive uses: 9 takes several times as long for a percent of size, and
/// clients prefer xz anyway.
const GZ_LEVEL: u32 = 6;

/// Level 6 of xz, the default of `xz` and of dpkg: its decoder needs 9 MiB.
const XZ_LEVEL: u32 = 6;

/// A way to compress a file of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    /// Not compressed.
    None,
    /// gzip (RFC 1952).
    Gz,
    /// bzip2.
    Bz2,
    /// xz.
    Xz,
    /// Zstandard (RFC 8878).
    Zst,
    /// The format before xz, still found in old packages.
    Lzma,
}

impl Compression {
    /// All of them.
    pub const ALL: [Compression; 6] = [
        Compression::None,
        Compression::Gz,
        Compression::Bz2,
        Compression::Xz,
        Compression::Zst,
        Compression::Lzma,
    ];

    /// What comes after the last dot of a file name; empty for [`Compression::None`].
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gz => "gz",
            Compression::Bz2 => "bz2",
            Compression::Xz => "xz",
            Compression::Zst => "zst",
            Compression::Lzma => "lzma",
        }
    }

    /// The inverse of [`extension`](Compression::extension).
    pub fn from_extension(extension: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|known| known.extension() == extension)
    }

    /// The compression a path names: `Packages.xz` is [`Compression::Xz`], and one without an extension
    /// that is known here is not compressed.
    pub fn from_path(path: &str) -> Compression {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        Compression::from_extension(extension).unwrap_or(Compression::None)
    }

    /// The compression that the first bytes of the data show; six are enough. The older lzma has no
    /// magic number and is known by what its encoders write in practice.
    pub fn sniff(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gz,
            [b'B', b'Z', b'h', ..] => Compression::Bz2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zst,
            [0x5d, 0, 0, ..] => Compression::Lzma,
            _ => Compression::None,
        }
    }
}

/// The name people use: `gzip`, `xz`, ...
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Compression::None => "uncompressed",
            Compression::Gz => "gzip",
            Compression::Bz2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zst => "zstd",
            Compression::Lzma => "lzma",
        })
    }
}

/// Decompresses a stream, all members of it, up to `limit` bytes of output.
///
/// The result ends only where the compressed data ends well. Everything else is an error of
/// [`Read::read`], which [`Error::from`] turns into one of this crate: [`Error::Limit`] where the output
/// exceeds the limit or the window asked for exceeds 128 MiB, [`Error::Corrupt`] where the data is
/// damaged or truncated, [`Error::Io`] where the reader beneath fails. The error stays: a further read
/// gives an error again.
///
/// # Errors
/// [`Error::Limit`] if there is no memory for the decoder.
pub fn decoder<R: Read>(reader: R, compression: Compression, limit: u64) -> Result<Decoder<R>> {
    let source = BufReader::new(Source { inner: reader, failure: None });
    let lzma = |stream: std::result::Result<Stream, xz2::stream::Error>| {
        stream.map_err(|_| Error::limit("bytes of memory for a decoder", MAX_WINDOW))
    };
    let inner = match compression {
        Compression::None => Inner::None(source),
        Compression::Gz => Inner::Gz(MultiGzDecoder::new(source)),
        Compression::Bz2 => Inner::Bz2(MultiBzDecoder::new(source)),
        Compression::Xz => {
            let stream = lzma(Stream::new_stream_decoder(MAX_WINDOW, xz2::stream::CONCATENATED))?;
            Inner::Xz(XzDecoder::new_stream(source, stream))
        }
        Compression::Lzma => {
            Inner::Xz(XzDecoder::new_stream(source, lzma(Stream::new_lzma_decoder(MAX_WINDOW))?))
        }
        Compression::Zst => Inner::Zst(Box::new(ZstDecoder::new(source))),
    };
    Ok(Decoder { inner, compression, limit, left: limit, failed: false })
}

/// The reader that [`decoder`] returns.
pub struct Decoder<R: Read> {
    inner: Inner<BufReader<Source<R>>>,
    compression: Compression,
    limit: u64,
    left: u64,
    failed: bool,
}

enum Inner<B> {
    None(B),
    Gz(MultiGzDecoder<B>),
    Bz2(MultiBzDecoder<B>),
    Xz(XzDecoder<B>),
    Zst(Box<ZstDecoder<B>>),
}

impl<B: BufRead> Inner<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Inner::None(source) => source.read(buffer),
            Inner::Gz(decoder) => decoder.read(buffer),
            Inner::Bz2(decoder) => decoder.read(buffer),
            Inner::Xz(decoder) => decoder.read(buffer),
            Inner::Zst(decoder) => decoder.read(buffer),
        }
    }

    fn source(&mut self) -> &mut B {
        match self {
            Inner::None(source) => source,
            Inner::Gz(decoder) => decoder.get_mut(),
            Inner::Bz2(decoder) => decoder.get_mut(),
            Inner::Xz(decoder) => decoder.get_mut(),
            Inner::Zst(decoder) => &mut decoder.source,
        }
    }
}

impl<R: Read> Decoder<R> {
    /// Tells a failure of the reader beneath from a fault in what it delivered.
    fn explain(&mut self, error: io::Error) -> Error {
        if let Some(failure) = self.inner.source().get_mut().failure.take() {
            return Error::from(failure);
        }
        let too_big = error.get_ref().is_some_and(|cause| {
            let zst = cause.downcast_ref::<FrameDecoderError>();
            let xz = cause.downcast_ref::<xz2::stream::Error>();
            matches!(zst, Some(FrameDecoderError::WindowSizeTooBig { .. }))
                || matches!(xz, Some(xz2::stream::Error::MemLimit))
        });
        if too_big {
            return Error::limit(format!("bytes of memory for the {} decoder", self.compression), MAX_WINDOW);
        }
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
            _ => error.to_string(),
        };
        Error::Corrupt { what: format!("{} data", self.compression), why }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            let why = "an earlier read failed".to_owned();
            return Err(Error::Corrupt { what: format!("{} data", self.compression), why }.into());
        }
        // One byte more than allowed is asked for, to see whether it is there.
        let room = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let result = match self.inner.read(&mut buffer[..room]) {
            Err(error) => Err(self.explain(error)),
            Ok(count) if count as u64 > self.left => {
                Err(Error::limit(format!("bytes of {} data", self.compression), self.limit))
            }
            Ok(count) => Ok(count),
        };
        self.failed = result.is_err();
        self.left -= *result.as_ref().unwrap_or(&0) as u64;
        result.map_err(io::Error::from)
    }
}

/// Remembers why the reader failed, as not every decompressor passes that on.
struct Source<R> {
    inner: R,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failure = Some(error);
                    return Err(kind.into());
                }
                Ok(count) => return Ok(count),
            }
        }
    }
}

/// Adds to the decoder of ruzstd what a file needs beyond a frame: several of them, frames to skip, and
/// the check of the checksum.
struct ZstDecoder<B> {
    source: B,
    decoder: FrameDecoder,
    in_frame: bool,
    at_start: bool,
}

impl<B: BufRead> ZstDecoder<B> {
    fn new(source: B) -> ZstDecoder<B> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        ZstDecoder { source, decoder, in_frame: false, at_start: true }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.in_frame && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, step).map_err(io::Error::other)?;
            } else if self.in_frame {
                let promised = self.decoder.get_checksum_from_data();
                if promised.is_some() && promised != self.decoder.get_calculated_checksum() {
                    return Err(io::Error::other("the checksum is wrong"));
                }
                self.in_frame = false;
            } else if !self.at_start && self.source.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.start_frame()?;
            }
        }
    }

    fn start_frame(&mut self) -> io::Result<()> {
        self.at_start = false;
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let length = u64::from(length);
                if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(())
    }
}

/// Compresses what is written to it into `writer`; [`Encoder::finish`] must end it.
///
/// The same input gives the same output: the gzip header carries neither time nor name. xz has a CRC64,
/// as from the `xz` tool. Zstandard is compressed at its fastest level, in memory, and written at the end
/// only: it is there for packages in tests more than for indices.
///
/// # Errors
/// [`Error::Limit`] if there is no memory for the encoder.
pub fn encoder<W: Write>(writer: W, compression: Compression) -> Result<Encoder<W>> {
    let lzma = |stream: std::result::Result<Stream, xz2::stream::Error>| {
        stream.map_err(|_| Error::limit("bytes of memory for an encoder", MAX_WINDOW))
    };
    Ok(Encoder(match compression {
        Compression::None => Output::None(writer),
        Compression::Gz => {
            Output::Gz(flate2::GzBuilder::new().mtime(0).write(writer, flate2::Compression::new(GZ_LEVEL)))
        }
        Compression::Bz2 => Output::Bz2(bzip2::write::BzEncoder::new(writer, bzip2::Compression::best())),
        Compression::Xz => {
            let stream = lzma(Stream::new_easy_encoder(XZ_LEVEL, Check::Crc64))?;
            Output::Xz(xz2::write::XzEncoder::new_stream(writer, stream))
        }
        Compression::Lzma => {
            let options = LzmaOptions::new_preset(XZ_LEVEL);
            let stream = lzma(options.and_then(|options| Stream::new_lzma_encoder(&options)))?;
            Output::Xz(xz2::write::XzEncoder::new_stream(writer, stream))
        }
        Compression::Zst => Output::Zst(writer, Vec::new()),
    }))
}

/// The writer that [`encoder`] returns.
pub struct Encoder<W: Write>(Output<W>);

enum Output<W: Write> {
    None(W),
    Gz(flate2::write::GzEncoder<W>),
    Bz2(bzip2::write::BzEncoder<W>),
    Xz(xz2::write::XzEncoder<W>),
    Zst(W, Vec<u8>),
}

impl<W: Write> Encoder<W> {
    /// Writes what is left and gives the writer back.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<W> {
        Ok(match self.0 {
            Output::None(writer) => writer,
            Output::Gz(encoder) => encoder.finish()?,
            Output::Bz2(encoder) => encoder.finish()?,
            Output::Xz(encoder) => encoder.finish()?,
            Output::Zst(mut writer, data) => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                writer.write_all(&ruzstd::encoding::compress_to_vec(&data[..], level))?;
                writer
            }
        })
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Output::None(writer) => writer.write(data),
            Output::Gz(encoder) => encoder.write(data),
            Output::Bz2(encoder) => encoder.write(data),
            Output::Xz(encoder) => encoder.write(data),
            Output::Zst(_, buffer) => buffer.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Output::None(writer) | Output::Zst(writer, _) => writer.flush(),
            Output::Gz(encoder) => encoder.flush(),
            Output::Bz2(encoder) => encoder.flush(),
            Output::Xz(encoder) => encoder.flush(),
        }
    }
}

/// Compresses data in memory, as [`encoder`] does.
///
/// # Errors
/// As for [`encoder`].
pub fn encode(data: &[u8], compression: Compression) -> Result<Vec<u8>> {
    let mut encoder = encoder(Vec::new(), compression)?;
    encoder.write_all(data)?;
    encoder.finish()
}

/// Decompresses data in memory, as [`decoder`] does.
///
/// # Errors
/// Those of [`decoder`] and of the reader it returns.
pub fn decode(data: &[u8], compression: Compression, limit: u64) -> Result<Vec<u8>> {
    let mut output = Vec::new();
    decoder(data, compression, limit)?.read_to_end(&mut output)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::testing::{have, run};
    use proptest::prelude::*;
    use std::process::Command;

    /// Some text and some noise, more than one block of any format needs to be.
    fn sample(length: usize) -> Vec<u8> {
        let noise = (0u32..).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[(i % 5 % 4) as usize]);
        noise
            .zip(b"Package: hello\n".iter().cycle())
            .map(|(a, b)| if a > 200 { a } else { *b })
            .take(length)
            .collect()
    }

    fn packed() -> impl Iterator<Item = Compression> {
        Compression::ALL.into_iter().filter(|compression| *compression != Compression::None)
    }

    #[test]
    fn decoders_and_encoders_can_go_to_another_thread() {
        fn is_send(_: impl Send) {}
        for compression in Compression::ALL {
            is_send(decoder(&b""[..], compression, 0).unwrap());
            is_send(encoder(Vec::new(), compression).unwrap());
        }
    }

    #[test]
    fn extension_and_magic_tell_the_compression() {
        for compression in Compression::ALL {
            let packed = encode(b"x", compression).unwrap();
            assert_eq!(Compression::sniff(&packed), compression);
            assert_eq!(Compression::from_extension(compression.extension()), Some(compression));
        }
        assert_eq!(Compression::from_path("main/Packages.xz"), Compression::Xz);
        assert_eq!(Compression::from_path("main/Packages"), Compression::None);
        assert_eq!(Compression::from_extension("zip"), None);
    }

    #[test]
    fn what_is_encoded_decodes() {
        for compression in Compression::ALL {
            for length in [0, 1, 300_000] {
                let data = sample(length);
                let packed = encode(&data, compression).unwrap();
                assert!(
                    decode(&packed, compression, length as u64).unwrap() == data,
                    "{compression} {length}"
                );
                assert_eq!(encode(&data, compression).unwrap(), packed);
            }
        }
    }

    #[test]
    fn output_beyond_the_limit_is_an_error() {
        for compression in Compression::ALL {
            let packed = encode(&sample(1000), compression).unwrap();
            let error = decode(&packed, compression, 999).unwrap_err();
            assert_eq!(error.to_string(), format!("more than 999 bytes of {compression} data"));
        }
    }

    #[test]
    fn several_members_are_one_stream() {
        for compression in packed().filter(|compression| *compression != Compression::Lzma) {
            let packed =
                [encode(b"one ", compression).unwrap(), encode(b"two", compression).unwrap()].concat();
            assert_eq!(decode(&packed, compression, 100).unwrap(), b"one two", "{compression}");
        }
    }

    #[test]
    fn frames_to_skip_are_skipped() {
        let skipped =
            [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &encode(b"x", Compression::Zst).unwrap()];
        assert_eq!(decode(&skipped.concat(), Compression::Zst, 10).unwrap(), b"x");
        let error = decode(&skipped[0][..10], Compression::Zst, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_truncated_stream_is_an_error_wherever_it_ends() {
        for compression in packed() {
            let packed = encode(&sample(400), compression).unwrap();
            for end in 0..packed.len() {
                let error = decode(&packed[..end], compression, 1000).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{compression} {end}: {error}");
            }
        }
    }

    #[test]
    fn garbage_after_the_stream_is_an_error() {
        for compression in packed() {
            let packed = [&encode(b"x", compression).unwrap()[..], b"garbage"].concat();
            assert_eq!(
                decode(&packed, compression, 100).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{compression}"
            );
        }
    }

    #[test]
    fn a_damaged_byte_never_gives_other_data() {
        let data = sample(400);
        for compression in packed().filter(|compression| *compression != Compression::Lzma) {
            let packed = encode(&data, compression).unwrap();
            for at in 0..packed.len() {
                let mut damaged = packed.clone();
                damaged[at] ^= 0x10;
                if let Ok(output) = decode(&damaged, compression, 1000) {
                    assert!(output == data, "{compression} {at}");
                }
            }
        }
    }

    #[test]
    fn a_failure_of_the_reader_is_no_corruption() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the cable is cut"))
            }
        }
        for compression in Compression::ALL {
            let packed = encode(&sample(5000), compression).unwrap();
            let source = (&packed[..packed.len() / 2]).chain(Broken);
            let mut decoder = decoder(source, compression, 10_000).unwrap();
            let error = Error::from(decoder.read_to_end(&mut Vec::new()).unwrap_err());
            assert_eq!(error.kind(), ErrorKind::Io, "{compression}: {error}");
            assert!(decoder.read(&mut [0]).is_err());
        }
    }

    #[test]
    fn the_tools_and_this_crate_read_each_other() {
        let directory = std::env::temp_dir().join(format!("debian-format-tools-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let data = sample(300_000);
        let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        std::fs::write(path("plain"), &data).unwrap();
        for (tool, level, compression) in [
            ("gzip", "-9", Compression::Gz),
            ("bzip2", "-9", Compression::Bz2),
            ("xz", "-9e", Compression::Xz),
            ("zstd", "-19", Compression::Zst),
        ] {
            if !have(tool) {
                continue;
            }
            let theirs = run(tool, &[level, "-c", &path("plain")]);
            assert!(decode(&theirs, compression, 300_000).unwrap() == data, "{tool}");
            std::fs::write(path("packed"), encode(&data, compression).unwrap()).unwrap();
            let unpacked =
                Command::new(tool).arg("-dc").stdin(std::fs::File::open(path("packed")).unwrap()).output();
            assert!(unpacked.unwrap().stdout == data, "{tool}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_window_beyond_the_limit_is_an_error() {
        // A frame header that asks for a window of 2 GiB: descriptor 0, exponent 21.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];
        assert_eq!(decode(&frame, Compression::Zst, 10).unwrap_err().kind(), ErrorKind::Limit);
        // The older lzma has the size of its dictionary after the first byte.
        let mut packed = encode(b"x", Compression::Lzma).unwrap();
        packed[1..5].copy_from_slice(&(512u32 << 20).to_le_bytes());
        let error = decode(&packed, Compression::Lzma, 10).unwrap_err();
        assert_eq!(error.to_string(), "more than 134217728 bytes of memory for the lzma decoder");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            for compression in Compression::ALL {
                let _ = decode(&bytes, compression, 1 << 20);
                let start = encode(b"abc", compression).unwrap();
                let _ = decode(&[&start[..start.len() / 2], &bytes].concat(), compression, 1 << 20);
            }
        }
    }
}
