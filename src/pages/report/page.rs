//! The page: what stands on it, in which order and in which words.

use chrono::{DateTime, Utc};

use super::chart::{self, Line, Words};
use super::markup::{Element, element, foreign};
use super::scale::{duration, grouped};
use super::{LATENESS, Report, Timeline, VERSIONS};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let body = element("main")
        .children(head(report))
        .children(freshness(report))
        .children(volume(report))
        .children(active_cards(report))
        .children(rejections(report))
        .children(versions(report))
        .children(lateness(report))
        .child(element("footer").text(format!(
            "Written by etl {} in {} from one snapshot of the warehouse. Everything is in UTC.",
            env!("CARGO_PKG_VERSION"),
            duration((crate::clock::now() - report.read_at).as_seconds_f64()),
        )));
    // The body comes last: what stands in it is not looked at again.
    TEMPLATE
        .replace("{{style}}", STYLE)
        .replace("{{body}}", &body.to_string())
}

/// The title, what is shown, and the totals.
fn head(report: &Report) -> Vec<Element> {
    let totals = &report.totals;
    let open: i64 = report
        .rejections
        .iter()
        .map(|rejections| rejections.open)
        .sum();
    let resolved: i64 = report
        .rejections
        .iter()
        .map(|rejections| rejections.resolved)
        .sum();
    let total = |name: &str, value: i64, note: String| {
        element("div").child(element("dt").text(name)).child(
            element("dd")
                .text(grouped(value))
                .child(element("small").text(note)),
        )
    };
    let events: i64 = report.events().map(|extent| extent.moments).sum();
    let mut head = vec![
        element("h1").text("Warehouse report"),
        element("p")
            .class("note")
            .text(format!("As of {}", shown(report.read_at))),
        element("dl").class("totals").children([
            total(
                "Users",
                totals.users,
                format!("{} versions", grouped(totals.user_versions)),
            ),
            total(
                "Cards",
                totals.cards,
                format!("{} versions", grouped(totals.card_versions)),
            ),
            total(
                "Active cards",
                totals.active_cards,
                format!("of {}", grouped(totals.cards)),
            ),
            total(
                "Cards without user",
                totals.cards_without_user,
                "user not known".to_owned(),
            ),
            total("Events loaded", events, "users and cards".to_owned()),
            total(
                "Files rejected",
                open,
                format!("{} more resolved", grouped(resolved)),
            ),
        ]),
    ];
    if let Some(timeline) = &report.timeline {
        let outside = report.left_out(timeline);
        if outside > 0 {
            head.push(element("p").class("note").text(format!(
                "The charts over time show {}. Left out, far from the rest: {}.",
                timeline.axis.in_words(),
                counted(outside, "event"),
            )));
        }
    }
    head
}

fn freshness(report: &Report) -> Vec<Element> {
    let newest = |source: &str| {
        let kind = source.trim_end_matches('s');
        let newest = report.extents.iter().find(|extent| extent.kind == kind);
        newest.map(|newest| newest.last)
    };
    let rows = report.sources.iter().map(|source| {
        vec![
            cell(&source.source),
            report.moment(newest(&source.source), "none yet"),
            report.moment(source.looked_at, "never"),
            report.moment(source.offset_at, "none yet"),
            number(source.loaded),
            number(source.rejected),
            number(source.pending),
        ]
    });
    let columns = [
        "Source",
        "Newest event",
        "Last looked at",
        "Offset",
        "#Loaded",
        "#Rejected",
        "#Pending",
    ];
    let mut section = vec![
        element("h2").text("Freshness"),
        scroll("Freshness of the sources", stacked(&columns, rows)),
    ];
    let Some(timeline) = report
        .timeline
        .as_ref()
        .filter(|_| report.events().count() > 0)
    else {
        section.push(empty("No event has been loaded yet."));
        return section;
    };
    let highest = timeline
        .high_delay
        .iter()
        .flatten()
        .copied()
        .fold(0.0, f64::max);
    let words = Words {
        id: "delay",
        title: "From an event to the warehouse".to_owned(),
        description: format!(
            "Time from an event to the end of the run that loaded it, by the time of the event. The 95th percentile is at most {}.",
            duration(highest)
        ),
    };
    let chart = chart::lines(
        &words,
        &timeline.axis,
        &[
            Line {
                label: "95th percentile",
                class: "weak",
                values: &timeline.high_delay,
            },
            Line {
                label: "median",
                class: "strong",
                values: &timeline.median_delay,
            },
        ],
    );
    let delay = |delay: Option<f64>| cell(delay.map(duration).unwrap_or_default()).class("number");
    let figures = over_time(timeline, &["#Median", "#95th percentile"], |bucket| {
        vec![
            delay(timeline.median_delay[bucket]),
            delay(timeline.high_delay[bucket]),
        ]
    });
    section.push(figure(
        &words.title,
        &unit(timeline, "time taken, by time of the event"),
        chart,
        figures,
    ));
    section
}

fn volume(report: &Report) -> Vec<Element> {
    let heading = element("h2").text("Volume");
    let Some(timeline) = &report.timeline else {
        return vec![
            heading,
            empty("No event has been loaded and no file rejected yet."),
        ];
    };
    let mut section = vec![heading];
    let width = timeline.axis.width_in_words();
    for (id, title, class, counts) in [
        ("card-events", "Card events", "cards", &timeline.card_events),
        ("user-events", "User events", "users", &timeline.user_events),
        (
            "rejected-files",
            "Rejected files",
            "rejected",
            &timeline.rejected_files,
        ),
    ] {
        let all: i64 = counts.iter().sum();
        let most = counts.iter().max().copied().unwrap_or_default();
        let words = Words {
            id,
            title: format!("{title} per {width}"),
            description: format!(
                "{} in all, at most {} per {width}.",
                grouped(all),
                grouped(most)
            ),
        };
        let chart = chart::bars(&words, &timeline.axis, counts, class);
        section.push(caption(title, &unit(timeline, &format!("per {width}"))).child(chart));
    }
    section.push(over_time(
        timeline,
        &["#Card events", "#User events", "#Rejected files"],
        |bucket| {
            let counts = [
                &timeline.card_events,
                &timeline.user_events,
                &timeline.rejected_files,
            ];
            counts.map(|counts| number(counts[bucket])).into()
        },
    ));
    section
}

fn active_cards(report: &Report) -> Vec<Element> {
    let heading = element("h2").text("Active cards");
    let Some(timeline) = report.timeline.as_ref().filter(|_| report.totals.cards > 0) else {
        return vec![heading, empty("There are no cards yet.")];
    };
    let last = timeline
        .active
        .last()
        .copied()
        .unwrap_or(timeline.active_before);
    let words = Words {
        id: "active-cards",
        title: "Active cards over time".to_owned(),
        description: format!(
            "From {} to {}.",
            grouped(timeline.active_before),
            grouped(last)
        ),
    };
    let chart = chart::level(
        &words,
        &timeline.axis,
        timeline.active_before,
        &timeline.active,
    );
    let figures = over_time(timeline, &["#Active at the end"], |bucket| {
        vec![number(timeline.active[bucket])]
    });
    let unit = unit(
        timeline,
        &format!("at the end of each {}", timeline.axis.width_in_words()),
    );
    vec![heading, figure("Cards", &unit, chart, figures)]
}

fn rejections(report: &Report) -> Vec<Element> {
    let heading = element("h2").text("Rejected files");
    if report.rejections.is_empty() {
        return vec![heading, empty("No file has been rejected.")];
    }
    let words = Words {
        id: "reasons",
        title: "Open rejections by reason".to_owned(),
        description: "Files that were rejected and of which no good version has arrived."
            .to_owned(),
    };
    let mut reasons: Vec<(String, i64)> = Vec::new();
    for rejections in &report.rejections {
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == rejections.reason)
        {
            Some((_, open)) => *open += rejections.open,
            None => reasons.push((rejections.reason.clone(), rejections.open)),
        }
    }
    reasons.sort_by_key(|(_, open)| std::cmp::Reverse(*open));
    let rows = report.rejections.iter().map(|rejections| {
        vec![
            cell(&rejections.source),
            element("td").child(foreign(&rejections.reason)),
            number(rejections.open),
            number(rejections.resolved),
            element("td")
                .class("words")
                .child(foreign(&rejections.detail))
                .child(element("small").child(foreign(&rejections.file_name))),
        ]
    });
    let columns = ["Source", "Reason", "#Open", "#Resolved", "Newest"];
    vec![
        heading,
        caption("Open, by reason", "files").child(chart::rows(&words, &reasons, "rejected")),
        scroll(
            "Rejected files by source and reason",
            stacked(&columns, rows),
        ),
    ]
}

fn versions(report: &Report) -> Vec<Element> {
    let heading = element("h2").text("Versions per key");
    if report.versions.iter().flatten().all(|keys| *keys == 0) {
        return vec![heading, empty("There are no users and no cards yet.")];
    }
    let figures = [("user", "Users", "users"), ("card", "Cards", "cards")];
    let figures = figures
        .into_iter()
        .zip(&report.versions)
        .map(|((kind, title, class), keys)| {
            // Classes beyond the last that has a key say nothing.
            let last = keys.iter().rposition(|keys| *keys > 0).unwrap_or(0);
            let rows: Vec<(String, i64)> = (0..=last)
                .map(|class| (versions_label(class), keys[class]))
                .collect();
            let words = Words {
                id: if kind == "user" {
                    "user-versions"
                } else {
                    "card-versions"
                },
                title: format!("{title} by number of versions"),
                description: rows_in_words(&rows),
            };
            let changed = report
                .most_changed
                .iter()
                .filter(|changed| changed.kind == kind);
            let rows_of_table: Vec<_> = changed
                .map(|changed| {
                    vec![
                        number(changed.id),
                        number(changed.versions),
                        cell(shown(changed.changed_at)),
                        match &changed.name {
                            Some(name) => element("td").class("words").child(foreign(name)),
                            None => cell("not known"),
                        },
                    ]
                })
                .collect();
            let name = if kind == "user" { "Name" } else { "Owner" };
            let columns = ["#Id", "#Versions", "Last change", name];
            let figure =
                caption(title, "by number of versions").child(chart::rows(&words, &rows, class));
            match rows_of_table.is_empty() {
                true => figure,
                false => figure.child(details(
                    "Most versions",
                    table(&columns, rows_of_table.into_iter()),
                )),
            }
        });
    vec![heading, element("div").class("beside").children(figures)]
}

fn lateness(report: &Report) -> Vec<Element> {
    let heading = element("h2").text("Lateness of events");
    if report.events().count() == 0 {
        return vec![heading, empty("No event has been loaded yet.")];
    }
    let figures = [
        ("to-file", "Until its file was written", "users"),
        ("to-warehouse", "Until it was in the warehouse", "cards"),
    ];
    let labels = lateness_labels();
    let figures = figures
        .into_iter()
        .zip(&report.lateness)
        .map(|((id, title, class), events)| {
            let first = usize::from(events[0] == 0);
            let last = events.iter().rposition(|events| *events > 0).unwrap_or(0);
            let rows: Vec<(String, i64)> = labels
                .iter()
                .cloned()
                .zip(events.iter().copied())
                .take(last + 1)
                .skip(first)
                .collect();
            let words = Words {
                id,
                title: format!("Events by time {}", title.to_lowercase()),
                description: rows_in_words(&rows),
            };
            caption(title, "events").child(chart::rows(&words, &rows, class))
        });
    vec![heading, element("div").class("beside").children(figures)]
}

impl Report {
    /// How far the events of each kind reach.
    fn events(&self) -> impl Iterator<Item = &super::Extent> {
        self.extents
            .iter()
            .filter(|extent| extent.kind != "rejected")
    }

    /// Events outside the charts over time.
    fn left_out(&self, timeline: &Timeline) -> i64 {
        let all: i64 = self.events().map(|extent| extent.moments).sum();
        let shown = timeline.card_events.iter().chain(&timeline.user_events);
        all - shown.sum::<i64>()
    }

    /// A moment, and below it how long before the report it was.
    fn moment(&self, moment: Option<DateTime<Utc>>, never: &str) -> Element {
        let Some(moment) = moment else {
            return cell(never);
        };
        let age = (self.read_at - moment).as_seconds_f64();
        let age = match age < 0.0 {
            true => format!("{} ahead", duration(-age)),
            false => format!("{} ago", duration(age)),
        };
        cell(shown(moment)).child(element("small").text(age))
    }
}

/// What a chart over time is about, and when.
fn unit(timeline: &Timeline, unit: &str) -> String {
    format!("{unit}, {}", timeline.axis.in_words())
}

fn caption(title: &str, note: &str) -> Element {
    element("figure").child(
        element("figcaption")
            .text(title)
            .text(" ")
            .child(element("span").text(note)),
    )
}

fn figure(title: &str, note: &str, chart: Element, figures: Element) -> Element {
    caption(title, note).child(chart).child(figures)
}

/// The figures of charts over time as a table, a bucket a row.
fn over_time(
    timeline: &Timeline,
    columns: &[&str],
    cells: impl Fn(usize) -> Vec<Element>,
) -> Element {
    let axis = &timeline.axis;
    let columns = [&["From (UTC)"], columns].concat();
    let rows = (0..axis.buckets).map(|bucket| {
        let mut row = vec![cell(axis.label(axis.moment(bucket)))];
        row.extend(cells(bucket));
        row
    });
    details("Figures", table(&columns, rows))
}

fn details(summary: &str, table: Element) -> Element {
    element("details")
        .child(element("summary").text(summary))
        .child(scroll(summary, table))
}

/// A table that may be larger than its place; the keyboard reaches it to scroll.
fn scroll(label: &str, table: Element) -> Element {
    element("div")
        .class("scroll")
        .set("role", "region")
        .set("aria-label", label)
        .set("tabindex", 0)
        .child(table)
}

/// A table of few rows and many columns: on a narrow screen its rows stand below each other, each
/// cell with the name of its column.
fn stacked(columns: &[&'static str], rows: impl Iterator<Item = Vec<Element>>) -> Element {
    let rows = rows.map(|cells| {
        let named = cells.into_iter().zip(columns);
        named
            .map(|(cell, column)| cell.set("data-column", column.trim_start_matches('#')))
            .collect()
    });
    table(columns, rows).class("stacked")
}

/// A table; the name of a column of numbers has a `#` before it.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<Element>>) -> Element {
    let header = columns.iter().map(|column| {
        let header = element("th").set("scope", "col");
        match column.strip_prefix('#') {
            Some(column) => header.class("number").text(column),
            None => header.text(column),
        }
    });
    element("table")
        .child(element("thead").child(element("tr").children(header)))
        .child(element("tbody").children(rows.map(|cells| element("tr").children(cells))))
}

fn cell(text: impl std::fmt::Display) -> Element {
    element("td").text(text)
}

fn number(value: i64) -> Element {
    cell(grouped(value)).class("number")
}

fn empty(sentence: &str) -> Element {
    element("p").class("empty").text(sentence)
}

fn counted(number: i64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

fn rows_in_words(rows: &[(String, i64)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(label, count)| format!("{label}: {}", grouped(*count)))
        .collect();
    rows.join("; ")
}

/// The name of a class of [`VERSIONS`].
fn versions_label(class: usize) -> String {
    match (VERSIONS[class], VERSIONS.get(class + 1)) {
        (from, Some(next)) if next - from == 1 => from.to_string(),
        (from, Some(next)) => format!("{from} to {}", next - 1),
        (from, None) => format!("{from} or more"),
    }
}

/// The names of the classes of [`LATENESS`].
fn lateness_labels() -> Vec<String> {
    let below = "before the event".to_owned();
    let within = LATENESS.windows(2).map(|bounds| {
        let (from, to) = (duration(bounds[0]), duration(bounds[1]));
        match (from.split_once(' '), to.split_once(' ')) {
            _ if bounds[0] == 0.0 => format!("less than {to}"),
            (Some((number, unit)), Some((_, other))) if unit == other => {
                format!("{number} to {to}")
            }
            _ => format!("{from} to {to}"),
        }
    });
    let above = format!("{} or more", duration(LATENESS[LATENESS.len() - 1]));
    std::iter::once(below)
        .chain(within)
        .chain([above])
        .collect()
}

fn shown(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S").to_string()
}
