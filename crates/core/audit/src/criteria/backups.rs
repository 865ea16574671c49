//! Backups of databases.

use crate::Audited;
use crate::definition::Definition;
use crate::found::Found;
use std::time::Duration;
use types::audit::{Criterion, Level};
use types::config::BackupSource;
use types::time::{between, spoken};
use types::{Resource, Restore};

/// Age of the last backup where the configuration declares none: one a day, with some hours to make it.
const AGE_MAX: Duration = Duration::from_secs(30 * 3_600);

pub(crate) const CRITERIA: &[Definition] = &[
    Definition {
        criterion: Criterion::BackupDeclared,
        level: Level::Must,
        title: "A database has backups",
        why: "A replica repeats every mistake at once. On 2017-01-31 a code host deleted the data of its primary by mistake, and found that none of \
              its five ways of backup had worked.",
        how: "From the configuration: `backup` of each database, or `backup = false`. Redis and Valkey, which often hold what can be made \
              again, are left out once mainstay has seen that they are that.",
        remedy: "`backup = { from = \"pgbackrest:main\", max_age = \"26h\" }` in the database: mainstay asks pgBackRest how old the last one is, looks at \
               the files of `file:/var/backups/main/*.dump`, or learns it from the job that reports to `heartbeat:NAME`. \
               `backup = false` says that the content can be made again.",
        check: declared,
    },
    Definition {
        criterion: Criterion::BackupAge,
        level: Level::Must,
        title: "The last backup is sound and recent",
        why: "A backup of last month is a month of lost work. It is noticed on the day on which it is needed.",
        how: "From what the backup tool said last, the folder of the files, or the last success of the job: no error, no file that shrank by half, and not older than \
              `backup.max_age`, or 30 hours without one.",
        remedy: "See what the tool says: `pgbackrest info`. Its schedule is usually at fault, or a full disk.",
        check: age,
    },
    Definition {
        criterion: Criterion::BackupOffSite,
        level: Level::Should,
        title: "Backups are kept in another place",
        why: "On 2021-03-10 a data centre in Strasbourg burned down, with backups that were kept beside the servers. In 2011 the time tracker's \
              copies off site were what it had left.",
        how: "From the configuration: `backup.offsite`, which a person vouches for.",
        remedy: "Add a second repository in another region, and `offsite = true`.",
        check: off_site,
    },
    Definition {
        criterion: Criterion::RestoreProven,
        level: Level::Should,
        title: "A restore has proven the backups",
        why: "A backup that was never restored is a hope. On 2017-01-31 a code host found, while its site was down, that none of its five ways of \
              backup could be restored, and lost six hours of data.",
        how: "From the journal: the last restore of each database with `backup`, recorded by `mainstay backup verify` or `mainstay backup proven`. It \
              succeeded, and it is not older than `backup.restore_every`: 30 days without one.",
        remedy: "`mainstay backup verify DATABASE` restores the last backup into a scratch folder, starts a PostgreSQL on it and reads it. Run it from \
               cron. A job of your own reports with `mainstay backup proven DATABASE`, or `--failed WHY`.",
        check: restore_proven,
    },
];

fn declared(audited: &Audited<'_>, found: &mut Found) {
    for (name, database) in &audited.config.databases {
        let product = audited.evidence.databases.get(name).and_then(|seen| seen.product.as_deref());
        if database.backups.is_some()
            || !database.needs_backups
            || matches!(product, Some("Redis" | "Valkey"))
        {
            continue;
        }
        let remedy =
            format!("[database.{name}] backup = {{ from = \"pgbackrest:{name}\", max_age = \"26h\" }}");
        found.fail(Resource::database(name), "no backup is declared", remedy);
    }
}

fn age(audited: &Audited<'_>, found: &mut Found) {
    for (name, database) in &audited.config.databases {
        let Some(source) = &database.backups else { continue };
        let resource = Resource::database(name);
        let seen = audited.evidence.databases.get(name);
        let Some(backups) = seen.and_then(|seen| seen.backups.as_ref()) else {
            found.unknown(resource, format!("nothing is known of {source} yet"));
            continue;
        };
        let most = database.thresholds.backup_age.unwrap_or(AGE_MAX);
        for backup in backups {
            let evidence = match (&backup.trouble, backup.last) {
                (Some(trouble), _) => format!("{source} is not sound: {trouble}"),
                (None, None) => format!("{} has no complete backup", backup.name),
                (None, Some(last)) if between(last, audited.now) > most => {
                    let age = spoken(between(last, audited.now));
                    format!(
                        "the last backup of {} is {age} old; at most {} are allowed",
                        backup.name,
                        spoken(most)
                    )
                }
                (None, Some(_)) => continue,
            };
            let remedy = match source {
                BackupSource::Pgbackrest(stanza) => format!("pgbackrest --stanza={stanza} info"),
                BackupSource::Files(pattern) => format!("ls -l {pattern}"),
                BackupSource::Heartbeat(job) => format!("mainstay heartbeat show {job}"),
            };
            found.fail(resource.clone(), evidence, remedy);
        }
    }
}

fn restore_proven(audited: &Audited<'_>, found: &mut Found) {
    for (name, database) in &audited.config.databases {
        let Some(source) = &database.backups else { continue };
        let resource = Resource::database(name);
        let most = database.restore_every;
        let evidence = match audited.evidence.restores.get(name) {
            None if !audited.evidence.has_journal => {
                found.unknown(resource, "restores are in the journal, which was not read");
                continue;
            }
            None => "no restore of its backups is known".to_owned(),
            Some(Restore { failed: Some(why), at, .. }) => {
                format!("its last restore, {} ago, failed: {why}", spoken(between(*at, audited.now)))
            }
            Some(Restore { at, .. }) if between(*at, audited.now) > most => {
                let age = spoken(between(*at, audited.now));
                format!("its last proven restore is {age} old; at most {} are allowed", spoken(most))
            }
            Some(_) => continue,
        };
        let remedy = match source {
            BackupSource::Pgbackrest(_) => format!("mainstay backup verify {name}"),
            BackupSource::Files(_) | BackupSource::Heartbeat(_) => {
                format!("restore one, then: mainstay backup proven {name}")
            }
        };
        found.fail(resource, evidence, remedy);
    }
}

fn off_site(audited: &Audited<'_>, found: &mut Found) {
    for (name, database) in &audited.config.databases {
        if database.backups.is_some() && !database.offsite {
            let remedy =
                format!("copies in another region, then `offsite = true` in [database.{name}] backup");
            found.fail(Resource::database(name), "no copy in another place is declared", remedy);
        }
    }
}
