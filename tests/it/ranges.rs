//! Ranges of versions, beside what both stock helms make of them.

use std::fmt::Write as _;
use std::fs;

use chartsync::chart::{Range, Version};

use crate::support::charts::Desk;
use crate::support::process::run;
use crate::support::tools::{HELMS, Tool};

const VERSIONS: [&str; 18] = [
    "0.0.0",
    "0.0.1",
    "0.0.3-a",
    "0.1.0",
    "0.1.2",
    "0.2.0-1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.2.3",
    "1.2.3-a",
    "1.2.3-a.2",
    "1.2.3-a.10",
    "1.2.3-18446744073709551616",
    "1.10.0+b.1",
    "2.0.0",
    "2.0.0-rc.1",
    "18446744073709551615.0.0",
];

/// Ranges that people write, and ranges that go wrong in one way each.
const WRITTEN: [&str; 60] = [
    "1.2.3",
    "=1.2.3",
    "v1.2.3",
    "1",
    "1.2",
    "1.x",
    "1.2.x",
    "1.2.*",
    "x",
    "X",
    "*",
    "",
    " ",
    "^1.2.3",
    "^1.2",
    "^1",
    "^0",
    "^0.0",
    "^0.1",
    "^0.0.1",
    "^0.1.2",
    "^x",
    "~1.2.3",
    "~1.2",
    "~1",
    "~0",
    "~x",
    "~>1.2",
    "~0.0.0",
    ">=1.2 <2",
    ">=1.2, <2",
    ">1",
    ">1.2",
    "<=1",
    "<=1.2",
    "<=x",
    "<1.x",
    "!=1.2.3",
    "!=1.2",
    "!=1",
    "!=x",
    "1 - 2",
    "1.2.3 - 2.0.0",
    "0.1 - 1.x || 2",
    "1||2 - 3",
    "1 - 2 - 3",
    ">=1.2.3-a",
    ">=1.2.3-a <2",
    "^1.2.3-a.2",
    "=>1 =<2",
    "> = 1",
    "1.2.3.4",
    "1.2.3-01",
    "1,,2",
    "1<2",
    "latest",
    "1.2.3+b",
    "01.2",
    "!= 1.2.x-a",
    ">=1.2.3-99999999999999999999",
];

/// As many texts of these pieces, always the same ones.
fn made(count: usize) -> Vec<String> {
    const PIECES: [&str; 40] = [
        "0", "1", "2", "10", "x", "*", "X", ".", ".", ".", ".", "v", "-", " - ", "-a", "-a.2", "+b", ">", "<", ">=",
        "<=", "=", "!=", "~", "^", "~>", "=>", " ", " ", ",", ", ", "||", " || ", "1.2.3", "0.1", "1.2", "^1.2",
        ">=1 <2", "-1", "|",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    (0..count).map(|_| (0..=next(7)).map(|_| PIECES[next(PIECES.len())]).collect()).collect()
}

/// What helm says of a subchart of each version for each range: `helm dependency list` looks at them one by one.
fn judged(desk: &Desk, helm: Tool, versions: &[&str], ranges: &[String]) -> Vec<String> {
    let mut chart_yaml = "apiVersion: v2\nname: judged\nversion: 1.0.0\ndependencies:\n".to_owned();
    for (index, version) in versions.iter().enumerate() {
        let subchart = format!("apiVersion: v2\nname: s{index}\nversion: {version}\n");
        desk.write(&format!("judged/charts/s{index}/Chart.yaml"), subchart);
        for (number, range) in ranges.iter().enumerate() {
            let range = serde_json::to_string(range).unwrap();
            writeln!(chart_yaml, "- {{name: s{index}, alias: a{index}-{number}, version: {range}}}").unwrap();
        }
    }
    let chart = desk.write("judged/Chart.yaml", chart_yaml);
    let ran = run(desk.command(helm).args(["dependency", "list", "--max-col-width", "0"]).arg(chart.parent().unwrap()));
    let rows = ran.ok().stdout();
    let rows = rows.lines().skip(1).filter(|line| !line.trim().is_empty());
    rows.map(|line| line.rsplit('\t').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn ranges_are_understood_as_both_helms_understand_them() {
    needs!(Tool::Helm4, Tool::Helm3);
    let ranges: Vec<String> = WRITTEN.map(str::to_owned).into_iter().chain(made(600)).collect();
    let mut told = std::collections::BTreeMap::new();
    for helm in HELMS {
        let desk = Desk::new();
        let theirs = judged(&desk, helm, &VERSIONS, &ranges);
        assert_eq!(theirs.len(), VERSIONS.len() * ranges.len());
        let mut theirs = theirs.into_iter();
        for version in VERSIONS {
            let parsed: Version = version.parse().unwrap();
            for range in &ranges {
                let ours = match range.parse::<Range>() {
                    // What is the same text is not even parsed.
                    _ if range == version => "unpacked",
                    Err(_) => "invalid version",
                    Ok(range) if range.contains(&parsed) => "unpacked",
                    Ok(_) => "wrong version",
                };
                let theirs = theirs.next().unwrap();
                assert_eq!(ours, theirs, "{helm:?}: {range:?} {version}");
                *told.entry(theirs).or_insert(0) += 1;
            }
        }
        fs::remove_dir_all(desk.path("judged")).unwrap();
    }
    // Enough of each to mean something.
    assert!(told.len() == 3 && told.values().all(|count| *count > 500), "{told:?}");
}
