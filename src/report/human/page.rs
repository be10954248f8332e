//! Lines under construction. Every text passes the escaping function here, so none can be forgotten.
//!
//! Tones become the escape sequences of a terminal; the stream that the text goes to strips them where they must not stand.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects};

use crate::report::escape::Line;

/// How a part of a line is shown on a terminal. No tone carries a meaning of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Normal,
    Strong,
    Faint,
    Good,
    Bad,
    Warning,
}

impl Tone {
    fn style(self) -> anstyle::Style {
        let plain = anstyle::Style::new();
        match self {
            Self::Normal => plain,
            Self::Strong => plain.effects(Effects::BOLD),
            Self::Faint => plain.effects(Effects::DIMMED),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Self::Warning => AnsiColor::Yellow.on_default(),
        }
    }
}

/// A part of a line: raw text, escaped when it is added.
#[derive(Debug, Clone)]
pub(super) struct Part<'a>(Tone, Cow<'a, str>);

pub(super) fn toned<'a>(tone: Tone, text: impl Into<Cow<'a, str>>) -> Part<'a> {
    Part(tone, text.into())
}

pub(super) fn plain<'a>(text: impl Into<Cow<'a, str>>) -> Part<'a> {
    toned(Tone::Normal, text)
}

pub(super) fn strong<'a>(text: impl Into<Cow<'a, str>>) -> Part<'a> {
    toned(Tone::Strong, text)
}

pub(super) fn faint<'a>(text: impl Into<Cow<'a, str>>) -> Part<'a> {
    toned(Tone::Faint, text)
}

/// A text of lines.
#[derive(Debug, Default)]
pub(super) struct Page {
    out: String,
}

impl Page {
    /// One line; whatever its parts hold, it stays one.
    pub(super) fn line(&mut self, indent: usize, parts: &[Part<'_>]) {
        let mut line = Line::default();
        line.push(&mut self.out, &" ".repeat(indent));
        for Part(tone, text) in parts {
            let style = tone.style();
            let is_styled = !style.is_plain() && !text.is_empty();
            if is_styled {
                let _ = write!(self.out, "{}", style.render());
            }
            line.push(&mut self.out, text);
            if is_styled {
                let _ = write!(self.out, "{}", style.render_reset());
            }
        }
        self.out.push('\n');
    }

    /// A line of a field and its value, the values of fields up to `width` characters in one column.
    pub(super) fn field(&mut self, indent: usize, width: usize, field: &str, value: &str) {
        self.line(indent, &[faint(format!("{field:width$}  ")), plain(value)]);
    }

    /// A blank line between two paragraphs; none at the beginning, and never two.
    pub(super) fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}
