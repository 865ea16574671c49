//! The promotion by which a database was served again.

use types::fault::DatabaseFault;
use types::{Context, Fault, Resource};

/// `; 10.0.0.2:5432 was promoted at 08:29:50 UTC (timeline 2)`, if a promotion ended the loss of this database.
pub(crate) fn promotion(context: &Context<'_>, cause: &Resource) -> String {
    let mut about = context.alerts.values().filter(|alert| alert.about == *cause);
    let promotion = about.find_map(|alert| match &alert.fault {
        Fault::Database { database: DatabaseFault::Promoted { promotion } } => Some(promotion),
        _ => None,
    });
    let said = promotion.map(|promotion| {
        format!("; {} was promoted at {} (timeline {})", promotion.to, promotion.at, promotion.timeline)
    });
    said.unwrap_or_default()
}
