//! Packs and unpacks the corpus: `corpus unpack|seed|pack|replay`, as `fuzz/README.md` explains.
//!
//! In the repository each target has one file, a line of hexadecimal digits an input; libFuzzer wants a folder with a file each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kinglet_protocol::messages::{DATA, REGISTRY};
use kinglet_protocol::records::{BatchBuilder, Compression, compress};
use kinglet_protocol::{RequestHead, request_header_version, response_header_version};
use serde_json::Value;

type Inputs = BTreeSet<(usize, Vec<u8>)>;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    for (target, run) in kinglet_fuzz::TARGETS {
        let packed = root().join(format!("fuzz/corpus/{target}.hex"));
        let folder = root().join(format!("fuzz/corpus/{target}"));
        match what.as_str() {
            "unpack" => write(&folder, &unpacked(&packed)),
            "seed" => write(&folder, &seeds(target)),
            "pack" => {
                let lines: Vec<_> = read(&folder).iter().map(|(_, input)| hex(input) + "\n").collect();
                fs::write(&packed, lines.concat()).expect("the corpus is written");
                println!("{target}: {} inputs", lines.len());
            }
            "replay" => {
                let inputs = unpacked(&packed);
                inputs.iter().for_each(|(_, input)| run(input));
                println!("{target}: {} inputs pass", inputs.len());
            }
            _ => panic!("usage: corpus unpack|seed|pack|replay"),
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn unpacked(file: &Path) -> Inputs {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(unhex).map(|input| (input.len(), input)).collect()
}

fn read(folder: &Path) -> Inputs {
    let files = fs::read_dir(folder).expect("an unpacked corpus");
    let inputs = files.map(|file| fs::read(file.expect("a file").path()).expect("a file"));
    inputs.map(|input| (input.len(), input)).collect()
}

fn write(folder: &Path, inputs: &Inputs) {
    fs::create_dir_all(folder).expect("a folder");
    for (at, (_, input)) in inputs.iter().enumerate() {
        let name = format!("{at:05}-{:08x}", crc_fast::crc32_iscsi(input));
        fs::write(folder.join(name), input).expect("an input is written");
    }
}

fn seeds(target: &str) -> Inputs {
    let inputs: Vec<Vec<u8>> = match target {
        "request" | "response" => messages(target),
        "data" => data(),
        "batch" => sets(2).flat_map(|set| [0, 1, 3, 7].map(|flags| [&[flags][..], &set].concat())).collect(),
        "legacy" => {
            let whole = [0, 1, 2, 0x42];
            // Wrapped by each codec, in each format, with each kind of timestamp.
            let wrapped = (0..96).map(|flags| flags << 2 & 0x7c | 2).filter(|flags| flags & 12 != 0);
            let flags: Vec<u8> = whole.into_iter().chain(wrapped).collect();
            let small = |set: &Vec<u8>| set.len() < 1_500;
            old()
                .filter(small)
                .flat_map(|set| flags.clone().into_iter().map(move |f| [&[f, 0][..], &set].concat()))
                .collect()
        }
        "decompress" => compressed(),
        _ => files(),
    };
    inputs.into_iter().filter(|input| input.len() <= 4096).map(|input| (input.len(), input)).collect()
}

fn lines(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join("protocol/tests/data").join(file)).expect("golden vectors");
    text.lines().map(|line| serde_json::from_str(line).expect("a vector is JSON")).collect()
}

/// The golden vectors as frames.
fn messages(kind: &str) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for line in lines("vectors.jsonl").iter().filter(|line| line["kind"] == kind) {
        let number = |name: &str| i16::try_from(line[name].as_i64().expect("a number")).expect("16 bits");
        let (key, version) = (number("key"), number("version"));
        let Some(api) = REGISTRY.iter().find(|api| api.key.0 == key) else { continue };
        let mut frame = Vec::new();
        if kind == "request" {
            frame.extend([key.to_be_bytes(), version.to_be_bytes(), [0; 2], [0, 7]].concat());
            let header = request_header_version(api.key, version, api.flexible_from);
            frame.extend([&b"\0\x02me"[..], b"\0"].concat().iter().take(match header {
                0 => 0,
                1 => 4,
                _ => 5,
            }));
        } else {
            frame.extend([key.to_be_bytes()[1], version.to_be_bytes()[1], 0, 0, 0, 7]);
            frame.extend(vec![
                0;
                usize::from(response_header_version(api.key, version, api.flexible_from) > 0)
            ]);
        }
        frame.extend(unhex(line["hex"].as_str().expect("text")));
        assert!(kind == "response" || RequestHead::decode(frame.clone().into()).is_ok());
        frames.push(frame);
    }
    frames
}

/// Zeros and ones, as far as each table takes them: there are no golden vectors of these.
fn data() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for (place, info) in DATA.iter().enumerate() {
        for version in info.versions.first..=info.versions.last {
            for fill in [0, 1, 2] {
                let taken =
                    (0..300).find(|len| matches!((info.recode)(vec![fill; *len].into(), version), Ok(Ok(_))));
                let fields = vec![fill; taken.unwrap_or(40)];
                let head = [u8::try_from(place).expect("few tables"), version.to_be_bytes()[1]];
                inputs.push([&head[..], &fields].concat());
            }
        }
    }
    inputs
}

fn sets(magic: i64) -> impl Iterator<Item = Vec<u8>> {
    let lines = lines("batches.jsonl").into_iter().filter(move |line| line["batches"][0]["magic"] == magic);
    lines.map(|line| unhex(line["hex"].as_str().expect("text")))
}

fn old() -> impl Iterator<Item = Vec<u8>> {
    sets(0).chain(sets(1))
}

fn compressed() -> Vec<Vec<u8>> {
    let mut builder = BatchBuilder::new(1 << 10);
    for timestamp in 0..30 {
        builder.push(timestamp, Some(b"key"), Some(b"some value that comes again"), &[]);
    }
    let plain = builder.seal(Default::default()).expect("no codec");
    let mut inputs = Vec::new();
    for (codec, choice) in Compression::ALL.into_iter().zip(0..) {
        for input in [&plain[..0], &plain[..100], &plain, &vec![0; 40_000]] {
            let mut packed = bytes::BytesMut::new();
            compress(codec, None, input, &mut packed).expect("the codec is built in");
            inputs.extend([choice, choice + 5, choice + 10].map(|choice| [&[choice][..], &packed].concat()));
        }
    }
    // The batches of other clients' codecs.
    for set in sets(2).filter(|set| set.len() > 61) {
        inputs.push([&[set[22] & 7][..], &set[61..]].concat());
    }
    inputs
}

fn files() -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> =
        sets(2).chain(old()).flat_map(|set| [0, 8].map(|kind| [&[kind][..], &set].concat())).collect();
    let small: [&[u8]; 10] = [
        b"\x01\0\0\0\x07\0\0\x10\0\0\0\0\x09\0\0\x20\0",
        b"\x02\0\0\x01\x8b\xcf\xe5\x68\0\0\0\0\x09\0\0\x01\x8b\xcf\xe5\x68\x01\0\0\0\x0a",
        b"\x030\n2\n0 0\n3 4711\n",
        b"\x040\n1\nlogs.web-1 2 1099511627776\n",
        b"\x05version: 0\ntopic_id: ERERERERERERERERERERER\n",
        b"\x06#\n#Sat Nov 21 08:27:00 UTC 2026\ncluster.id=abc\nnode.id=5\nsome.new.key=1\nversion=1\n",
        b"\x06cluster.id=4L6g3nShT-eMCtK--X86sw\ndirectory.id=ERERERERERERERERERERER\nnode.id=1\nversion=1\n",
        b"\x06version=0\nbroker.id=1\n",
        b"\x0700000000000000004711.timeindex",
        b"\x0700000000000000004711.log.deleted",
    ];
    inputs.extend(small.map(Vec::from));
    inputs
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex")).collect()
}
