//! The parts of the benchmark over the wire that must be fast: charts to mirror, a network that takes time, and clients that
//! do nothing but requests. `benches/run` starts them and measures; nothing here is measured by itself.

mod bed;
mod charts;
mod ideal;

use std::error::Error;
use std::path::Path;

use ideal::{Job, What};

type Failed = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
wire charts FOLDER                     makes 200 charts as layouts, and the key that signed them
wire bed SOURCE DESTINATION            delays what goes to two registries, and gives tokens
wire client ideal|floor JOB            does the requests of a job, with no policy";

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["charts", folder] => charts::make(Path::new(folder)),
        ["bed", source, destination] => bed::serve(source.parse()?, destination.parse()?).await,
        ["client", "ideal", job] => ideal::run(Job::read(Path::new(job))?, What::Same).await,
        ["client", "floor", job] => ideal::run(Job::read(Path::new(job))?, What::Least).await,
        // `cargo bench` without arguments is about the other benchmarks.
        [] => {
            println!("this one is run by benches/run");
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}
