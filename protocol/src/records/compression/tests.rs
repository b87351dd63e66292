//! Each codec's frames as other clients write them, and as attackers would.

use super::*;

const LIMIT: usize = 64 << 20;

/// Text that compresses, longer than every block size but the largest.
fn text() -> Vec<u8> {
    (0..60_000).flat_map(|i| format!("line {i} of {}\n", i * 7919 % 1000).into_bytes()).collect()
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

fn compressed(codec: Compression, level: Option<i32>, input: &[u8]) -> BytesMut {
    let mut out = BytesMut::from(&b"before"[..]);
    compress(codec, level, input, &mut out).unwrap();
    assert_eq!(out.split_to(6), &b"before"[..]);
    out
}

#[test]
fn what_is_compressed_comes_back() {
    let inputs = [vec![], vec![7], noise(70_000), vec![0; 1 << 20], text()];
    for codec in Compression::ALL {
        for input in &inputs {
            let packed = compressed(codec, None, input);
            assert_eq!(decompress(codec, &packed, LIMIT).unwrap(), input, "{codec}, {} bytes", input.len());
            assert!(decompress(codec, &packed, input.len()).is_ok(), "{codec}: the limit itself is allowed");
        }
    }
}

#[test]
fn kafkas_levels_are_taken_and_others_refused() {
    let input = text();
    for codec in Compression::ALL {
        let Some(levels) = codec.levels() else { continue };
        for level in [*levels.start(), *levels.end()] {
            let packed = compressed(codec, Some(level), &input);
            assert_eq!(decompress(codec, &packed, LIMIT).unwrap(), input, "{codec} {level}");
        }
        let level = levels.end() + 1;
        let refused = compress(codec, Some(level), &input, &mut BytesMut::new());
        assert_eq!(refused, Err(CompressError::Level { codec, level }));
    }
}

#[cfg(feature = "gzip")]
#[test]
fn the_default_level_of_gzip_has_a_number_in_kafka() {
    let input = text();
    let by_number = compressed(Compression::Gzip, Some(-1), &input);
    assert_eq!(by_number, compressed(Compression::Gzip, None, &input));
}

#[test]
fn names_and_ids_are_kafkas() {
    for (id, name) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let codec: Compression = name.parse().unwrap();
        assert_eq!((codec.name(), codec.id()), (name, i16::try_from(id).unwrap()));
        assert_eq!(Compression::from_id(codec.id()), Some(codec));
    }
    assert_eq!(Compression::from_id(5), None);
    assert!("brotli".parse::<Compression>().is_err());
}

#[test]
fn a_frame_cut_off_anywhere_is_no_whole_frame() {
    let input = &text()[..5_000];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let packed = compressed(codec, None, input);
        for end in 0..packed.len() {
            let result = decompress(codec, &packed[..end], LIMIT);
            // A snappy frame may end behind its header: it is one of no blocks then.
            assert!(!result.is_ok_and(|output| !output.is_empty()), "{codec}: {end} of {}", packed.len());
        }
    }
}

#[test]
fn noise_is_refused_by_every_codec() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        for len in [0, 1, 4, 10, 100, 10_000] {
            let result = decompress(codec, &noise(len), LIMIT);
            assert!(
                matches!(result, Err(DecompressError::Corrupt { .. })),
                "{codec}, {len} bytes: {result:?}"
            );
        }
    }
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_is_read_with_and_without_xerial_framing() {
    let input = text();
    let bare = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert_eq!(decompress(Compression::Snappy, &bare, LIMIT).unwrap(), input);
    let framed = compressed(Compression::Snappy, None, &input);
    assert_eq!(framed[..8], *b"\x82SNAPPY\0");
    assert_eq!(decompress(Compression::Snappy, &framed, LIMIT).unwrap(), input);
}

#[cfg(feature = "snappy")]
#[test]
fn a_snappy_length_that_is_declared_only_is_refused() {
    // A varint of 4 GiB - 1 and one literal byte.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, b'x'];
    let result = decompress(Compression::Snappy, &lie, usize::MAX);
    assert!(matches!(result, Err(DecompressError::Corrupt { .. })), "{result:?}");
}

#[cfg(feature = "lz4")]
#[test]
fn lz4_frames_of_every_kind_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;

    let input = text();
    for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for with_extras in [false, true] {
                let info = FrameInfo::new()
                    .block_size(size)
                    .block_mode(mode)
                    .block_checksums(with_extras)
                    .content_checksum(with_extras)
                    .content_size(with_extras.then_some(input.len() as u64));
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(&input).unwrap();
                let frame = encoder.finish().unwrap();
                assert_eq!(decompress(Compression::Lz4, &frame, LIMIT).unwrap(), input, "{size:?} {mode:?}");
            }
        }
    }
}

#[cfg(feature = "lz4")]
#[test]
fn our_lz4_frames_are_read_by_the_librarys_frame_reader() {
    use std::io::Read;

    for input in [text(), noise(100_000), vec![]] {
        let packed = compressed(Compression::Lz4, None, &input);
        let mut back = Vec::new();
        lz4_flex::frame::FrameDecoder::new(&packed[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, input);
    }
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_members_are_joined_and_padding_is_ignored() {
    let (first, second) = (text(), noise(1_000));
    let mut packed = compressed(Compression::Gzip, None, &first);
    packed.extend_from_slice(&compressed(Compression::Gzip, Some(1), &second));
    packed.extend_from_slice(&[0; 9]);
    assert_eq!(decompress(Compression::Gzip, &packed, LIMIT).unwrap(), [first, second].concat());
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_headers_of_every_kind_are_read() {
    use std::io::Write;

    let input = text();
    let plain = flate2::GzBuilder::new;
    for header in [
        plain(),
        plain().filename("a name"),
        plain().comment("a comment"),
        plain().extra(vec![7; 300]),
        plain().extra(vec![]).filename("").comment("").mtime(1).operating_system(3),
    ] {
        let mut encoder = header.write(Vec::new(), flate2::Compression::default());
        encoder.write_all(&input).unwrap();
        let mut packed = encoder.finish().unwrap();
        assert_eq!(decompress(Compression::Gzip, &packed, LIMIT).unwrap(), input);
        // The library writes no checksum of the header.
        if packed[3] == 0 {
            packed[3] = 0x02;
            packed.splice(10..10, [7, 7]);
            assert_eq!(decompress(Compression::Gzip, &packed, LIMIT).unwrap(), input);
        }
    }
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_content_is_compared_with_its_trailer() {
    let packed = compressed(Compression::Gzip, None, &text());
    for at in packed.len() - 8..packed.len() {
        let mut spoilt = packed.clone();
        spoilt[at] ^= 1;
        let result = decompress(Compression::Gzip, &spoilt, LIMIT);
        assert!(matches!(result, Err(DecompressError::Corrupt { .. })), "{at}: {result:?}");
    }
}

#[cfg(feature = "zstd-c")]
#[test]
fn zstd_frames_are_read_without_a_declared_size_and_joined() {
    let (first, second) = (text(), vec![0; 3 << 20]);
    // A stream that is fed piece by piece does not know its size when it writes the header.
    let mut packed = ::zstd::stream::encode_all(&first[..], 3).unwrap();
    assert_eq!(get_size(&packed), None);
    packed.extend(::zstd::stream::encode_all(&second[..], 19).unwrap());
    let whole = [first, second].concat();
    assert_eq!(decompress(Compression::Zstd, &packed, LIMIT).unwrap(), whole);
    assert_eq!(decompress(Compression::Zstd, &packed, whole.len()).unwrap(), whole);
    let limit = whole.len() - 1;
    assert_eq!(decompress(Compression::Zstd, &packed, limit), Err(DecompressError::TooLarge { limit }));
}

#[cfg(feature = "zstd")]
#[test]
fn a_zstd_frame_that_lies_about_its_size_ends_in_an_error() {
    // One segment of 0, 1 and 255 bytes, with one repeated byte of 100 in its only block.
    for declared in [0, 1, 255] {
        let lie = [0x28, 0xb5, 0x2f, 0xfd, 0x20, declared, 0x23, 0x03, 0x00, b'x'];
        let result = decompress(Compression::Zstd, &lie, LIMIT);
        assert!(matches!(result, Err(DecompressError::Corrupt { .. })), "{declared}: {result:?}");
    }
    let truth = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 100, 0x23, 0x03, 0x00, b'x'];
    assert_eq!(decompress(Compression::Zstd, &truth, LIMIT).unwrap(), [b'x'; 100][..]);
}

#[cfg(feature = "zstd-c")]
fn get_size(frame: &[u8]) -> Option<u64> {
    ::zstd::zstd_safe::get_frame_content_size(frame).unwrap()
}

/// Both implementations against each other, with what only one of them writes: large windows, other levels, many frames.
#[cfg(all(feature = "zstd", feature = "zstd-c"))]
#[test]
fn zstd_with_and_without_c_is_the_same() {
    let far_apart = noise(1 << 20).repeat(2);
    for input in [vec![], vec![7], vec![0; 1 << 20], noise(200_000), text(), far_apart] {
        let mut by_rust = BytesMut::new();
        zstd_rust::compress(&input, &mut by_rust);
        assert_eq!(zstd_c::decompress(&by_rust, LIMIT).unwrap(), input);
        for level in [-5, 1, 3, 22] {
            let mut by_c = BytesMut::new();
            zstd_c::compress(Some(level), &input, &mut by_c).unwrap();
            assert_eq!(zstd_rust::decompress(&by_c, input.len()).unwrap(), input, "level {level}");
            let stream = ::zstd::stream::encode_all(&input[..], level).unwrap();
            let twice = [&stream[..], b"\x50\x2a\x4d\x18\x02\0\0\0..", &by_c].concat();
            assert_eq!(zstd_rust::decompress(&twice, LIMIT).unwrap(), input.repeat(2), "level {level}");
            for len in [0, 3, 4, 5, 8, by_c.len() - 1] {
                let cut = zstd_rust::decompress(&by_c[..len], LIMIT);
                assert!(matches!(cut, Err(DecompressError::Corrupt { .. })), "{len}: {cut:?}");
            }
        }
    }
}

/// A frame of eighteen bytes may declare a window of hundreds of megabytes.
#[cfg(feature = "zstd")]
#[test]
fn a_zstd_window_that_is_declared_only_is_not_allocated() {
    let large_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa7, 0x23, 0x03, 0x00, b'x'];
    assert_eq!(decompress(Compression::Zstd, &large_window, 100).unwrap(), [b'x'; 100][..]);
    let too_small = decompress(Compression::Zstd, &large_window, 99);
    assert_eq!(too_small, Err(DecompressError::TooLarge { limit: 99 }));
}
