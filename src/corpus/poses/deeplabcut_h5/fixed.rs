//! pandas' "fixed" format: a dataset for each axis, level and block of columns.

use hdf5_reader::Datatype;
use hdf5_reader::group::Group;

use super::{COORDS, Label, RowSource, Slab, Table, no_frames, not_numbered};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::poses::hdf5::{Array, Container, Number, Rows, check_number, text};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

/// More levels or blocks than any table of tracks has.
const COUNT_MAX: usize = 64;

/// Most columns that a table of tracks may have.
const COLUMNS_MAX: usize = INDIVIDUALS_MAX * KEYPOINTS_MAX * COORDS.len();

pub(super) fn read<'a>(container: &'a Container<'a>, group: &Group) -> Result<Table<'a>, CorpusError> {
    let (levels, columns) = multi_index(container, group, "axis0")?;
    let numbers = numbers(container, group)?;
    let (mut blocks, mut sources) = (Vec::new(), Vec::new());
    for index in 0..count(container, group, "nblocks")? {
        let (_, labels) = multi_index(container, group, &format!("block{index}_items"))?;
        let array = container.array(group, &format!("block{index}_values"))?;
        // pandas turns its blocks, which are columns × rows, and says so.
        let turned = array.attribute("transposed").is_some_and(|flag| flag.raw_data.iter().any(|byte| *byte != 0));
        let shape = [numbers.len(), labels.len()];
        if !turned || array.shape() != shape {
            let got = format!("{:?}{}", array.shape(), if turned { "" } else { " of columns" });
            return Err(array.fault(format_args!("the shape {shape:?} of rows"), got));
        }
        let number = array.number()?;
        sources.push((Rows::new(container, array, number.size)?, number));
        blocks.push(labels);
    }
    let row_count = numbers.len();
    Ok(Table {
        levels,
        columns,
        blocks,
        row_count,
        rows: Box::new(FixedRows { numbers: numbers.into_iter(), sources }),
    })
}

struct FixedRows<'a> {
    numbers: std::vec::IntoIter<u64>,
    sources: Vec<(Rows<'a>, Number)>,
}

impl RowSource for FixedRows<'_> {
    fn next(&mut self, count: usize, slab: &mut Slab) -> Result<(), CorpusError> {
        slab.numbers.extend(self.numbers.by_ref().take(count));
        for ((rows, number), values) in self.sources.iter_mut().zip(&mut slab.blocks) {
            number.floats(rows.next(count)?, values);
        }
        Ok(())
    }
}

fn count(container: &Container, group: &Group, name: &str) -> Result<usize, CorpusError> {
    let number = group.attribute(name).ok().and_then(|number| number.read_as_f64().ok());
    match number {
        Some(number) if (0.0..=COUNT_MAX as f64).contains(&number) => Ok(number as usize),
        Some(number) => {
            Err(Place::file(container.file).fault(format!("a {name} of 0 to {COUNT_MAX}"), format!("{number}")))
        }
        None => Err(Place::file(container.file).fault(format!("the attribute {name} of a pandas table"), "none")),
    }
}

/// The names of the levels and the labels of an index.
fn multi_index(container: &Container, group: &Group, prefix: &str) -> Result<(Vec<String>, Vec<Label>), CorpusError> {
    let variety = group.attribute(&format!("{prefix}_variety")).ok().and_then(|variety| text(&variety));
    if variety.as_deref() != Some("multi") {
        let got = format!("{} of variety {:?}", quoted(prefix), variety.unwrap_or_default());
        return Err(Place::file(container.file).fault("columns with the levels of DeepLabCut", got));
    }
    let (mut names, mut labels): (_, Vec<Label>) = (Vec::new(), Vec::new());
    for level in 0..count(container, group, &format!("{prefix}_nlevels"))? {
        let texts = container.array(group, &format!("{prefix}_level{level}"))?;
        let codes = container.array(group, &format!("{prefix}_label{level}"))?;
        names.push(texts.attribute("name").and_then(|name| text(&name)).unwrap_or_default());
        let texts = texts.texts(COLUMNS_MAX)?;
        let (number, shape) = (codes.number()?, codes.shape());
        if level == 0 && shape.len() == 1 && shape[0] <= COLUMNS_MAX {
            labels = vec![Label::new(); shape[0]];
        }
        if shape != [labels.len()] {
            let expected = format!("a label for each of the columns, which are {COLUMNS_MAX} at most");
            return Err(codes.fault(expected, format!("the shape {shape:?}")));
        }
        for (label, code) in labels.iter_mut().zip(codes.bytes()?.chunks_exact(number.size)) {
            let known = number.integer(code).and_then(|code| texts.get(usize::try_from(code).ok()?));
            let unknown =
                || codes.fault(format_args!("labels of 0 to {}", texts.len().saturating_sub(1)), number.shown(code));
            label.push(known.ok_or_else(unknown)?.clone());
        }
    }
    Ok((names, labels))
}

/// The numbers of the frames.
fn numbers(container: &Container, group: &Group) -> Result<Vec<u64>, CorpusError> {
    let file = container.file;
    if group.attribute("axis1_variety").ok().and_then(|variety| text(&variety)).as_deref() == Some("multi") {
        return Err(not_numbered(file, "rows named on several levels"));
    }
    let array = container.array(group, "axis1")?;
    if array.attribute("value_type").is_some() {
        // An axis without rows is stored as one row and this attribute.
        return Err(no_frames(file));
    }
    let kind = array.attribute("kind").and_then(|kind| text(&kind)).unwrap_or_default();
    let Some(number) = Number::of(array.datatype()) else {
        return Err(not_numbered(file, first_name(&array).unwrap_or(kind)));
    };
    if !matches!(kind.as_str(), "integer" | "float" | "") {
        return Err(not_numbered(file, quoted(&kind)));
    }
    parsed_numbers(&array, container, number)
}

/// The name of the first row, where rows have texts as names.
fn first_name(array: &Array) -> Option<String> {
    if !matches!(array.datatype(), Datatype::String { .. }) {
        return None;
    }
    let bytes = array.bytes().ok()?;
    let name = bytes.chunks(bytes.len().checked_div(array.shape().first().copied()?)?.max(1)).next()?;
    Some(quoted(String::from_utf8_lossy(name).trim_end_matches('\0')))
}

fn parsed_numbers(array: &Array, container: &Container, number: Number) -> Result<Vec<u64>, CorpusError> {
    if array.shape().len() != 1 {
        return Err(array.fault("one dimension", format!("the shape {:?}", array.shape())));
    }
    let mut numbers = Vec::with_capacity(array.shape()[0]);
    for (word, row) in array.bytes()?.chunks_exact(number.size).zip(1..) {
        let previous = numbers.last().copied();
        numbers.push(check_number(container.file, row, number.integer(word), || number.shown(word), previous)?);
    }
    Ok(numbers)
}
