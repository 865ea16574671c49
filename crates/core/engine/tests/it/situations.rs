//! What happens on ordinary and on bad days, as four kinds of readers learn of it: visitors of the status page, the person
//! on call, the team at its terminal, and programs that read the API. Read each line of the golden text as one of them.

mod driver;
mod table;

use driver::Story;
use insta::assert_snapshot;

#[test]
fn every_situation_as_everybody_reads_it() {
    let transcripts: Vec<String> =
        table::situations().into_iter().map(|(name, play)| Story::transcript(name, play)).collect();
    assert!(transcripts.len() >= 30, "{} situations", transcripts.len());
    assert_snapshot!(transcripts.join("\n"));
}
