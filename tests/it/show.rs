//! The README's pictures: what they show is what the program prints.

use sha2::{Digest as _, Sha256};

use crate::quickstart::Quickstart;

const TERMINAL: &str = include_str!("../../docs/show/terminal.svg");
const COMMENT: &str = include_str!("../../docs/show/comment.md");
const PICTURE: &[u8] = include_bytes!("../../docs/show/comment.png");

const RECORD: &str = "the README's pictures are out of date: run `docs/show/record`, then `docs/show/comment`";

/// What stands for lines that are left out begins with this.
const LEFT_OUT: &str = "⋮ ";

/// The text of one element, without the tags in it.
fn text(element: &str) -> String {
    let pieces = element.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text: String = pieces.collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&")
}

/// Each command that the picture shows, and the lines below it, put together again where they are broken.
fn steps(picture: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for element in picture.lines() {
        let Some((kind, _)) = element.strip_prefix("<text class=\"").and_then(|rest| rest.split_once('"')) else {
            continue;
        };
        let text = text(element);
        match (kind, steps.last_mut()) {
            ("title" | "sign", _) => {}
            ("command", _) => steps.push((text.strip_prefix("$ ").unwrap().to_owned(), Vec::new())),
            ("line" | "cut", Some((_, lines))) => lines.push(text),
            ("more", Some((_, lines))) => lines.last_mut().unwrap().push_str(&text),
            _ => panic!("{element}"),
        }
    }
    steps
}

/// The printed lines, as many left out of them as the picture leaves out, at the same place.
fn shortened(printed: &str, shown: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    if let Some(at) = shown.iter().position(|line| line.starts_with(LEFT_OUT)) {
        let count = (lines.len() + 1).saturating_sub(shown.len());
        lines.splice(at..at + count, [format!("{LEFT_OUT}{count} lines are left out here")]);
    }
    lines
}

#[test]
fn the_terminal_shows_what_is_printed() {
    let quickstart = Quickstart::new();
    let steps = steps(TERMINAL);
    let commands: Vec<&str> = steps.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!([commands.first(), commands.last()], [Some(&"chartsync apply"), Some(&"chartsync plan")]);
    for (command, shown) in &steps {
        let printed = quickstart.step(command);
        assert_eq!(*shown, shortened(&printed, shown), "{RECORD}: `{command}`");
    }
}

#[test]
fn the_comment_is_what_a_pull_request_gets() {
    let quickstart = Quickstart::new();
    for (command, _) in steps(TERMINAL) {
        quickstart.step(&command);
    }
    assert_eq!(quickstart.step("chartsync plan --format markdown"), COMMENT, "{RECORD}");
    let source = format!("comment.md sha256:{:x}", Sha256::digest(COMMENT));
    let is_drawn_of_it = PICTURE.windows(source.len()).any(|window| window == source.as_bytes());
    assert!(is_drawn_of_it, "comment.png shows another text than comment.md: run `docs/show/comment`");
}
