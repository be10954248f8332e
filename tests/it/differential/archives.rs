//! Archives, block by block: whatever a tar or a gzip could say.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};

use super::dice::Dice;

/// An entry, with each field as it is written.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    kind: u8,
    prefix: Vec<u8>,
    link: Vec<u8>,
    size: Option<Vec<u8>>,
    mode: Vec<u8>,
    magic: [u8; 8],
    behind: Vec<u8>,
    checksum: Checksum,
}

#[derive(Clone, Copy)]
enum Checksum {
    Right,
    Signed,
    Wrong,
}

const USTAR: [u8; 8] = *b"ustar\x0000";
const GNU: [u8; 8] = *b"ustar  \0";

impl Entry {
    pub(crate) fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            data: data.as_ref().to_vec(),
            kind: b'0',
            prefix: Vec::new(),
            link: Vec::new(),
            size: None,
            mode: b"0000644\0".to_vec(),
            magic: USTAR,
            behind: Vec::new(),
            checksum: Checksum::Right,
        }
    }

    fn of_kind(name: impl AsRef<[u8]>, kind: u8, data: impl AsRef<[u8]>) -> Self {
        Self { kind, ..Self::file(name, data) }
    }

    fn write(&self, tar: &mut Vec<u8>) {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, most: usize, bytes: &[u8]| {
            let length = bytes.len().min(most);
            block[at..at + length].copy_from_slice(&bytes[..length]);
        };
        let size = format!("{:011o}\0", self.data.len());
        put(0, 100, &self.name);
        put(100, 8, &self.mode);
        put(108, 8, b"0000000\0");
        put(116, 8, b"0000000\0");
        put(124, 12, self.size.as_deref().unwrap_or(size.as_bytes()));
        put(136, 12, b"00000000000\0");
        put(148, 8, b"        ");
        put(156, 1, &[self.kind]);
        put(157, 100, &self.link);
        put(257, 8, &self.magic);
        put(345, 155, &self.prefix);
        put(500, 12, &self.behind);
        let sum = match self.checksum {
            Checksum::Right => block.iter().map(|byte| i64::from(*byte)).sum(),
            Checksum::Signed => block.iter().map(|byte| i64::from(byte.cast_signed())).sum(),
            Checksum::Wrong => 1_i64,
        };
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&block);
        tar.extend_from_slice(&self.data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
}

/// The records of a pax header.
fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut written = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        written.extend_from_slice(format!("{length}{rest}").as_bytes());
    }
    written
}

/// An archive on its way.
pub(crate) struct Archive {
    pub(crate) entries: Vec<Entry>,
    end: Vec<u8>,
    gzip: Gzip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gzip {
    Plain,
    As(&'static str),
}

const NAMES: [&[u8]; 46] = [
    b"web/a",
    b"web/A",
    b"web/./x",
    b"web/x/../y",
    b"/web/x",
    b"web//x",
    b"web/..x",
    b"web/...",
    b"other/x",
    b"web\\x",
    b"web/x\\y",
    b"web/c:/x",
    b"c:/x",
    b"web/x:y",
    b"web/\xe2\x80\xaex",
    b"web/x\ny",
    b"web/values.yaml/x",
    b"./web/x",
    b"web",
    b"",
    b".",
    b"..",
    b"web/",
    b"web/x/",
    b"../web/x",
    b"web/../../x",
    b"web/chart.yaml",
    b"web/CHART.YAML",
    b"web/\xff",
    b"web/ x",
    b"web/x ",
    b"web/\xc3\xa9",
    b"web/e\xcc\x81",
    b"web/charts/x",
    b"web/charts/_x",
    b"web/charts/.x",
    b"web/charts/x.tgz",
    b"web/charts/x/Chart.yaml",
    b"web/templates/.x",
    b"web/.helmignore",
    b"web/Chart.lock",
    b"web/Chart.yaml",
    b"web/requirements.yaml",
    b"web/values.schema.json",
    b"web/crds/x.yaml",
    b"Chart.yaml/x",
];
const CONTENTS: [&[u8]; 14] = [
    b"",
    b"x",
    b"a: 1\n",
    b"\xef\xbb\xbfa: 1\n",
    b"\xef\xbb\xbf\xef\xbb\xbfx",
    b"apiVersion: v2\nname: x\nversion: 1.0.0\n",
    b"name: x\nversion: 1\n",
    b"[1, 2]\n",
    b"a: {\n",
    b"dependencies: []\n",
    b"{\"type\": \"object\"}",
    b"{",
    b"\0\0\0",
    b"a: 1\n---\nb: 2\n",
];

impl Archive {
    pub(crate) fn of(chart_yaml: &[u8]) -> Self {
        let entries = vec![
            Entry::file("web/Chart.yaml", chart_yaml),
            Entry::file("web/values.yaml", "replicas: 1\n"),
            Entry::file("web/templates/a.yaml", "kind: ConfigMap\nmetadata: {name: a}\n"),
        ];
        Self { entries, end: vec![0; 1024], gzip: Gzip::Plain }
    }

    /// Changes one thing; what, in a few words.
    pub(crate) fn change(&mut self, dice: &mut Dice) -> String {
        match dice.below(8) {
            0..=2 => self.add(dice),
            3 | 4 => self.field(dice),
            5 => self.extend(dice),
            6 => self.end(dice),
            _ => {
                let how = *dice.pick(&[
                    "two members",
                    "empty member",
                    "trailing zeros",
                    "trailing bytes",
                    "name",
                    "extra",
                    "comment",
                    "wrong crc",
                    "wrong size",
                    "cut",
                    "stored",
                    "reserved flag",
                    "other method",
                    "header crc",
                    "wrong header crc",
                    "member in the middle",
                ]);
                self.gzip = Gzip::As(how);
                format!("gzip with {how}")
            }
        }
    }

    fn insert(&mut self, dice: &mut Dice, entry: Entry) {
        let at = dice.below(self.entries.len() + 1);
        self.entries.insert(at, entry);
    }

    fn add(&mut self, dice: &mut Dice) -> String {
        let (name, content) = (*dice.pick(&NAMES), *dice.pick(&CONTENTS));
        let kind = *dice.pick(b"0000000\x005127346SVLKxg ADNXz");
        let mut entry = Entry::of_kind(name, kind, content);
        if matches!(kind, b'1' | b'2') {
            entry.link = dice.pick(&[&b"web/values.yaml"[..], b"../x", b"/etc/passwd", b""]).to_vec();
            entry.data.clear();
        }
        if kind == b'5' && dice.below(4) > 0 {
            entry.data.clear();
        }
        let told = format!("{} of kind {:?}", String::from_utf8_lossy(name), char::from(kind));
        self.insert(dice, entry);
        told
    }

    fn field(&mut self, dice: &mut Dice) -> String {
        let at = dice.below(self.entries.len());
        let entry = &mut self.entries[at];
        let length = entry.data.len();
        let what = match dice.below(20) {
            0 => (entry.magic = GNU, "GNU magic").1,
            1 => (entry.magic = [0; 8], "no magic").1,
            2 => (entry.magic = *b"ustar 00", "a magic with a blank").1,
            3 => (entry.magic = *b"ustar\0\0\0", "a magic without version").1,
            4 => {
                let name = entry.name.clone();
                let cut = name.iter().position(|byte| *byte == b'/').unwrap_or(0);
                entry.prefix = name[..cut].to_vec();
                entry.name = name[(cut + 1).min(name.len())..].to_vec();
                "a prefix"
            }
            5 => (entry.prefix = b"web".to_vec(), "one prefix more").1,
            6 => ((entry.magic, entry.prefix) = (GNU, b"00000000000\x0000000000000\0".to_vec()), "GNU times").1,
            7 => ((entry.magic, entry.prefix) = (GNU, b"web/x".to_vec()), "a prefix behind GNU magic").1,
            8 => ((entry.prefix, entry.behind) = (b"web".to_vec(), b"\0\0\0\0\0\0\0\0tar\0".to_vec()), "star").1,
            9 => (entry.size = Some(format!("{length:012o}").into_bytes()), "a size without end").1,
            10 => (entry.size = Some(format!("{length:>11o} ").into_bytes()), "a size with blanks").1,
            11 => {
                let mut size = vec![0x80, 0, 0, 0];
                size.extend_from_slice(&(length as u64).to_be_bytes());
                (entry.size = Some(size), "a binary size").1
            }
            12 => (entry.size = Some(format!("{:011o}\0", length + 1).into_bytes()), "a size too large").1,
            13 => (entry.size = Some(format!("{:011o}\0", length + 5000).into_bytes()), "a size far too large").1,
            14 => (entry.size = Some(vec![0xff; 12]), "a negative size").1,
            15 => (entry.mode = b"0100644\0".to_vec(), "a mode of a file").1,
            16 => (entry.mode = b"0120777\0".to_vec(), "a mode of a link").1,
            17 => (entry.mode = b"0040755\0".to_vec(), "a mode of a folder").1,
            18 => (entry.checksum = Checksum::Wrong, "a wrong checksum").1,
            _ => (entry.checksum = Checksum::Signed, "a signed checksum").1,
        };
        format!("{what} at {}", String::from_utf8_lossy(&entry.name))
    }

    /// An extension header before an entry.
    fn extend(&mut self, dice: &mut Dice) -> String {
        let at = dice.below(self.entries.len());
        let (name, length) = (self.entries[at].name.clone(), self.entries[at].data.len().to_string());
        let name = String::from_utf8_lossy(&name).into_owned();
        let other = String::from_utf8_lossy(dice.pick::<&[u8]>(&NAMES)).into_owned();
        let long = format!("web/{}/{}", "l".repeat(120), "m".repeat(120));
        let records: &[(&str, &str)] = match dice.below(15) {
            0 => &[("path", &name)],
            1 => &[("path", &other)],
            2 => &[("path", &long)],
            3 => &[("path", "")],
            4 => &[("path", &name), ("path", &other)],
            5 => &[("size", &length)],
            6 => &[("size", "3")],
            7 => &[("linkpath", "x")],
            8 => &[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "web/z")],
            9 => &[("hdrcharset", "BINARY"), ("path", &name)],
            10 => &[("mtime", "1.5"), ("comment", "x")],
            11 => &[("mtime", "x")],
            12 => &[("SCHILY.xattr.user.x", "y\n")],
            13 => &[("size", "-1")],
            _ => &[],
        };
        let header = match dice.below(8) {
            0 => Entry::of_kind("././@LongLink", b'L', [other.as_bytes(), b"\0"].concat()),
            1 => Entry::of_kind("././@LongLink", b'L', [long.as_bytes(), b"\0"].concat()),
            2 => Entry::of_kind("././@LongLink", b'L', [name.as_bytes(), b"\0", other.as_bytes()].concat()),
            3 => Entry::of_kind("././@LongLink", b'K', b"x\0"),
            4 => Entry::of_kind("pax_global_header", b'g', pax(records)),
            5 => Entry::of_kind("PaxHeaders/x", b'X', pax(records)),
            _ => Entry::of_kind("PaxHeaders/x", b'x', pax(records)),
        };
        let told = format!("a header {:?} of {records:?} or {other:?} before {name}", char::from(header.kind));
        self.entries.insert(at, header);
        told
    }

    fn end(&mut self, dice: &mut Dice) -> String {
        let (what, end) = match dice.below(8) {
            0 => ("no end", Vec::new()),
            1 => ("half an end", vec![0; 512]),
            2 => ("a long end", vec![0; 10_240]),
            3 => ("a ragged end", vec![0; 1_100]),
            4 => ("bytes behind the end", [vec![0; 1024], b"x".to_vec()].concat()),
            5 => ("an entry behind the end", behind(&vec![0; 1024])),
            6 => ("an entry behind half an end", behind(&vec![0; 512])),
            _ => ("a cut end", vec![0; 700]),
        };
        self.end = end;
        what.to_owned()
    }

    /// The `.tgz`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for entry in &self.entries {
            entry.write(&mut tar);
        }
        tar.extend_from_slice(&self.end);
        let Gzip::As(how) = self.gzip else { return gzip(&tar) };
        zipped(&tar, how)
    }
}

fn behind(end: &[u8]) -> Vec<u8> {
    let mut tar = end.to_vec();
    Entry::file("web/behind", "x").write(&mut tar);
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    written(GzBuilder::new(), Compression::fast(), bytes)
}

fn written(builder: GzBuilder, level: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut gzip = builder.write(Vec::new(), level);
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zipped(tar: &[u8], how: &str) -> Vec<u8> {
    let fast = Compression::fast();
    let mut good = gzip(tar);
    let end = good.len();
    match how {
        "two members" => good.extend(gzip(tar)),
        "empty member" => good.extend(gzip(b"")),
        "member in the middle" => {
            let (one, other) = tar.split_at(tar.len() / 2);
            good = [gzip(one), gzip(other)].concat();
        }
        "trailing zeros" => good.extend([0; 7]),
        "trailing bytes" => good.extend(b"trailing"),
        "name" => good = written(GzBuilder::new().filename("web.tar"), fast, tar),
        "extra" => good = written(GzBuilder::new().extra(b"+aHR0cHM6".to_vec()).comment("Helm"), fast, tar),
        "comment" => good = written(GzBuilder::new().comment("\u{e9}"), fast, tar),
        "stored" => good = written(GzBuilder::new(), Compression::none(), tar),
        "wrong crc" => good[end - 8] ^= 1,
        "wrong size" => good[end - 4] ^= 1,
        "cut" => good.truncate(end - 9),
        "reserved flag" => good[3] |= 0x20,
        "other method" => good[2] = 7,
        // Two bytes of the header's own sum, right or wrong, behind its ten bytes.
        "header crc" | "wrong header crc" => {
            good[3] |= 2;
            let mut sum = flate2::Crc::new();
            sum.update(&good[..10]);
            let low = (sum.sum() & 0xffff) as u16 ^ u16::from(how == "wrong header crc");
            good.splice(10..10, low.to_le_bytes());
        }
        other => unreachable!("{other}"),
    }
    good
}
