//! Patterns as Go's `filepath.Match` understands them on Unix.
//!
//! Owns its corners: a class matches `/` although `*` and `?` do not; a star takes the first place where the piece behind
//! it fits and never a later one; a malformed piece is an error only once it is reached; a star may stop within a
//! character. Knows nothing of files.

/// A pattern.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    pieces: Vec<Piece>,
}

/// A pattern is malformed where it was held against a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What stands between stars, and whether a star stands before it.
#[derive(Debug, Clone)]
struct Piece {
    star: bool,
    /// One character each.
    units: Result<Vec<Unit>, Malformed>,
}

#[derive(Debug, Clone)]
enum Unit {
    /// `?`
    Any,
    /// `[…]`: whether it is negated, and the first and last character of each range.
    Class(bool, Vec<(char, char)>),
    /// One byte of anything else.
    Byte(u8),
}

impl Glob {
    /// Takes a pattern apart. That it is malformed is told when it is used, as in Go.
    pub(super) fn parse(mut pattern: &[u8]) -> Self {
        let mut pieces = Vec::new();
        while !pattern.is_empty() {
            let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
            let (piece, rest) = pattern[stars..].split_at(piece_length(&pattern[stars..]));
            pieces.push(Piece { star: stars > 0, units: units(piece) });
            pattern = rest;
        }
        Self { pieces }
    }

    /// Whether all of `name` matches.
    pub(super) fn matches(&self, mut name: &[u8]) -> Result<bool, Malformed> {
        for (index, piece) in self.pieces.iter().enumerate() {
            let last = index + 1 == self.pieces.len();
            let units = piece.units.as_ref().map_err(|error| *error)?;
            // Behind the last star everything but a `/` goes.
            if piece.star && units.is_empty() {
                return Ok(!name.contains(&b'/'));
            }
            let widest = if piece.star { name.iter().take_while(|byte| **byte != b'/').count() } else { 0 };
            let attempt = |skipped: usize| fit(units, &name[skipped..]).filter(|rest| !last || rest.is_empty());
            match (0..=widest).find_map(attempt) {
                Some(rest) => name = rest,
                None => return Ok(false),
            }
        }
        Ok(name.is_empty())
    }
}

/// How much of a pattern stands before its first star that is neither escaped nor in brackets.
fn piece_length(pattern: &[u8]) -> usize {
    let (mut brackets, mut escaped) = (false, false);
    for (index, byte) in pattern.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => brackets = true,
            b']' => brackets = false,
            b'*' if !brackets => return index,
            _ => {}
        }
    }
    pattern.len()
}

fn units(mut piece: &[u8]) -> Result<Vec<Unit>, Malformed> {
    let mut units = Vec::new();
    while let Some((byte, rest)) = piece.split_first() {
        piece = rest;
        units.push(match byte {
            b'[' => class(&mut piece)?,
            b'?' => Unit::Any,
            b'\\' => {
                let (byte, rest) = piece.split_first().ok_or(Malformed)?;
                piece = rest;
                Unit::Byte(*byte)
            }
            byte => Unit::Byte(*byte),
        });
    }
    Ok(units)
}

/// Reads a class behind its `[`.
fn class(piece: &mut &[u8]) -> Result<Unit, Malformed> {
    let negated = piece.strip_prefix(b"^").inspect(|rest| *piece = rest).is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty()
            && let Some(rest) = piece.strip_prefix(b"]")
        {
            *piece = rest;
            return Ok(Unit::Class(negated, ranges));
        }
        let low = class_character(piece)?;
        let high = match piece.strip_prefix(b"-") {
            Some(mut rest) => {
                let high = class_character(&mut rest)?;
                *piece = rest;
                high
            }
            None => low,
        };
        ranges.push((low, high));
    }
}

/// One character of a class, perhaps escaped; something must follow it.
fn class_character(piece: &mut &[u8]) -> Result<char, Malformed> {
    if piece.is_empty() || piece.starts_with(b"-") || piece.starts_with(b"]") {
        return Err(Malformed);
    }
    let bare = piece.strip_prefix(b"\\").unwrap_or(piece);
    match first(bare) {
        Some((Some(character), rest)) if !rest.is_empty() => {
            *piece = rest;
            Ok(character)
        }
        _ => Err(Malformed),
    }
}

/// What is left of `name` behind the units, if they fit its beginning.
fn fit<'a>(units: &[Unit], mut name: &'a [u8]) -> Option<&'a [u8]> {
    for unit in units {
        let (byte, behind_byte) = name.split_first()?;
        let (character, behind_character) = first(name)?;
        let fits = match unit {
            Unit::Any => *byte != b'/',
            Unit::Byte(expected) => byte == expected,
            Unit::Class(negated, ranges) => {
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
        };
        if !fits {
            return None;
        }
        name = if matches!(unit, Unit::Byte(_)) { behind_byte } else { behind_character };
    }
    Some(name)
}

/// The first character and what follows it; a byte that begins none counts as one character, `None`.
fn first(bytes: &[u8]) -> Option<(Option<char>, &[u8])> {
    let (_, behind_byte) = bytes.split_first()?;
    let character = (1..=4.min(bytes.len())).find_map(|width| std::str::from_utf8(&bytes[..width]).ok());
    Some(match character.and_then(|text| text.chars().next().map(|character| (character, text.len()))) {
        Some((character, width)) => (Some(character), &bytes[width..]),
        None => (None, behind_byte),
    })
}
