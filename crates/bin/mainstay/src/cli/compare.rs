//! The surge with and without mainstay: the same parts, the same visitors, the same flood at the same moments.

use crate::cli::Failure;
use crate::cli::drill::Acts;
use crate::cli::world::Folder;
use drill::score::{Served, Visitors};
use std::time::Duration;
use testbed::Surge;
use testbed::surge::{Behind, Part};
use tokio::time::{Instant, sleep, sleep_until};

/// Before the flood everybody comes for a while, as with mainstay: known visitors must be known.
const BEFORE: Duration = Duration::from_secs(20);

/// How visitors fared in one run.
pub(crate) struct Course {
    /// What stood in front.
    in_front: String,
    parts: Vec<Part>,
    /// From the flood on.
    pub(crate) visitors: Visitors,
}

impl Course {
    /// Of a run that is over.
    pub(crate) fn of(in_front: &str, world: &Surge) -> Self {
        Self { in_front: in_front.to_owned(), parts: world.parts(), visitors: world.witness().visitors }
    }
}

/// Does the same to a world that a plain round-robin proxy stands in front of.
///
/// # Errors
/// When loopback has no room, or the proxy does not stand.
pub(crate) async fn without(acts: &Acts) -> Result<Course, Failure> {
    let folder = Folder::make()?;
    let world = Surge::start(folder.path(), Behind::Plain).await.map_err(Failure::no)?;
    sleep(BEFORE).await;
    let began = Instant::now();
    for (at, act) in &acts.done {
        sleep_until(began + *at).await;
        world.act(act).map_err(Failure::no)?;
    }
    sleep_until(began + acts.end).await;
    Ok(Course::of(world.in_front().unwrap_or("a plain proxy"), &world))
}

/// Sign-ins of known visitors and newcomers that were served, part by part.
pub(crate) fn table(courses: &[Course]) -> Vec<String> {
    let mut lines = Vec::new();
    for course in courses {
        lines.push(format!("sign-ins served behind {}:", course.in_front));
        for part in &course.parts {
            let flood = match part.flood_per_sec {
                none if none < 1.0 => String::new(),
                rate => format!("   beside {rate:.0} requests a second of the flood"),
            };
            lines.push(row(&part.name, part.visitors) + &flood);
        }
        lines.push(row("since the flood", course.visitors));
    }
    lines
}

fn row(name: &str, visitors: Visitors) -> String {
    let served = |served: Served| format!("{} of {}", served.served.unwrap_or(0), served.asked.unwrap_or(0));
    format!("  {name:<16} known {:>12}   new {:>12}", served(visitors.known), served(visitors.first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_both_runs_part_by_part() {
        let served = |asked, served| Served { asked: Some(asked), served: Some(served) };
        let part = |name: &str, flood_per_sec| Part {
            name: name.to_owned(),
            visitors: Visitors { known: served(80, 71), first: served(80, 9) },
            flood_per_sec,
        };
        let course = |in_front: &str| Course {
            in_front: in_front.to_owned(),
            parts: vec![part("flood", 2_391.4), part("mended", 0.0)],
            visitors: Visitors { known: served(160, 142), first: Served::default() },
        };
        let lines = table(&[course("mainstay"), course("haproxy 3.0")]);
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], "sign-ins served behind mainstay:");
        assert_eq!(
            lines[1],
            "  flood            known     71 of 80   new      9 of 80   beside 2391 requests a second of the flood"
        );
        assert_eq!(lines[3], "  since the flood  known   142 of 160   new       0 of 0");
    }
}
