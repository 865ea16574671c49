//! `GET /api/v1/changes`: the changes of the last days, each with its effects.

use engine::views::Views;
use serde::Serialize;
use types::{Actor, Change, Effect, IncidentId, RecordedChange};

#[derive(Serialize)]
pub(crate) struct ChangesBody<'a> {
    changes: Vec<ChangeBody<'a>>,
    timezone: &'a str,
}

#[derive(Serialize)]
struct ChangeBody<'a> {
    #[serde(flatten)]
    change: &'a Change,
    by: &'a Actor,
    effects: Vec<EffectBody<'a>>,
}

#[derive(Serialize)]
struct EffectBody<'a> {
    incident: IncidentId,
    #[serde(flatten)]
    effect: &'a Effect,
    text: String,
}

impl<'a> ChangesBody<'a> {
    pub(crate) fn new(views: &'a Views) -> Self {
        let effect = |(incident, effect): (&IncidentId, &'a Effect)| EffectBody {
            incident: *incident,
            effect,
            text: effect.to_string(),
        };
        let change = |RecordedChange { change, by, effects }: &'a RecordedChange| ChangeBody {
            change,
            by,
            effects: effects.iter().map(effect).collect(),
        };
        Self { changes: views.now.changes.iter().map(change).collect(), timezone: &views.now.timezone }
    }
}
