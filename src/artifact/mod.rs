//! One chart image: reading it, clearing it, writing it.
//!
//! Owns what a chart's image manifest may look like, the only way to a [`Cleared`] value, and the writes that take one.
//! Does not know why a chart is wanted, what was observed, or in which order charts are published.

pub mod clear;
pub mod clearing;
pub mod compared;
pub mod image;
mod known;
pub mod packaged;
mod past;
pub mod assemble;
pub mod publish;
pub mod terms;

pub use clear::Memory;
pub use clear::{ClearError, Cleared, Fetched, Known, Refused, derive};
pub use clearing::{Clearing, Created};
pub use compared::{CompareError, Kept, Reach};
pub use image::{ChartImage, ImageError};
pub use packaged::{Incomparable, PackageSeen, Packaged, PackagingError};
pub use past::{Past, PastError};
pub use terms::{Terms, Unsigned};
