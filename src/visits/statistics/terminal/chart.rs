//! A chart of standing bars.

use super::paint::{Ink, Text, number};
use crate::visits::statistics::answers::{Chart, Period, Point};

/// Lines of a bar.
const HEIGHT: usize = 7;
/// Columns before the bars.
const MARGIN: usize = 9;
/// Parts of a character's height that can be drawn.
const EIGHTHS: [&str; 8] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇"];

/// Views as bars, and of these the guests in another shade.
pub fn draw(chart: &Chart, width: usize, colour: bool) -> Vec<Text> {
    let points = &chart.points;
    let most = points
        .iter()
        .map(|point| point.views.max(point.guests))
        .max();
    let most = most.unwrap_or(0).max(1);
    let each = (width.saturating_sub(MARGIN) / points.len().max(1)).clamp(1, 8);
    // Bars that are one column wide have no room between them.
    let (bar, gap) = if each > 1 { (each - 1, 1) } else { (1, 0) };
    let unit = match chart.period {
        Period::Hourly => "hour",
        Period::Daily => "day",
        Period::Weekly => "week",
        Period::Monthly => "month",
    };
    let legend = Text::new(colour)
        .inked(Ink::Guests, "█")
        .plain(" guests ")
        .inked(Ink::Views, if colour { "█" } else { "░" })
        .plain(&format!(" views per {unit}"));
    let mut lines = vec![legend];
    for row in (0..HEIGHT).rev() {
        let label = match row {
            0 => "0".to_string(),
            row if row + 1 == HEIGHT => number(most),
            _ => String::new(),
        };
        let mut line = Text::new(colour).ending(MARGIN - 2, &label).plain(" │");
        for point in points {
            line = cell(line, point, most, row, bar).plain(&" ".repeat(gap));
        }
        lines.push(line);
    }
    lines.push(labels(chart, each, width, colour));
    lines
}

/// One line of one bar.
fn cell(line: Text, point: &Point, most: u64, row: usize, bar: usize) -> Text {
    // Eighths of a line; what is there is seen.
    let height = |count: u64| {
        let all = (count as f64 / most as f64 * (HEIGHT * 8) as f64).round() as usize;
        all.max(usize::from(count > 0))
    };
    let filled = |count: u64| height(count).saturating_sub(row * 8).min(8);
    let (views, guests) = (filled(point.views), filled(point.guests));
    let block = |eighths: usize| EIGHTHS.get(eighths).copied().unwrap_or("█").repeat(bar);
    if guests * 2 >= views && guests > 0 {
        line.inked(Ink::Guests, &block(guests.max(views)))
    } else if views == 8 && !line.has_colour() {
        line.plain(&"░".repeat(bar))
    } else {
        line.inked(Ink::Views, &block(views))
    }
}

/// What stands below the bars: as many dates or hours as there is room for.
fn labels(chart: &Chart, each: usize, width: usize, colour: bool) -> Text {
    let mut line = Text::new(colour).to(MARGIN);
    for (place, point) in chart.points.iter().enumerate() {
        let label = match chart.period {
            // 2026-11-21T14:00:00+01:00
            Period::Hourly => point.start.get(11..13),
            // 2026-11-21
            Period::Daily | Period::Weekly | Period::Monthly => point.start.get(5..10),
        };
        let label = label.unwrap_or_default();
        let column = MARGIN + place * each;
        let is_free = line.width() == MARGIN || line.width() < column;
        if is_free && column + label.len() <= width {
            line = line.to(column).inked(Ink::Dim, label);
        }
    }
    line
}
