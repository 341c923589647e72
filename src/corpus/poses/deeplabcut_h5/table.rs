//! pandas' "table" format: one dataset of records, with a field for the row's number and one for each block of columns.

use std::ops::Range;
use std::path::Path;

use hdf5_reader::group::Group;
use hdf5_reader::{Attribute, CompoundField, Datatype};

use super::pickle::{self, Value};
use super::{Label, RowSource, Slab, Table, not_numbered};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::poses::hdf5::{Array, Container, Number, Rows, check_number, kind, text};

/// The field of a row's number.
const INDEX: &str = "index";

/// What the fields of blocks are called, before their number.
const BLOCK: &str = "values_block_";

pub(super) fn read<'a>(container: &'a Container<'a>, group: &Group) -> Result<Table<'a>, CorpusError> {
    let array = container.array(group, "table")?;
    let Datatype::Compound { size, fields } = array.datatype() else {
        return Err(array.fault("records", kind(array.datatype())));
    };
    let size = *size as usize;
    let &[row_count] = array.shape() else {
        return Err(array.fault("one dimension", format!("the shape {:?}", array.shape())));
    };
    let columns = columns(container, group)?;
    let levels = levels(container, group)?;
    if let Some(label) = columns.iter().find(|label| label.len() != levels.len()) {
        let expected = format!("columns of {} levels", levels.len());
        return Err(Place::file(container.file).fault(expected, quoted(&label.join(", "))));
    }
    let (mut index, mut blocks, mut spans, mut free) = (None, Vec::new(), Vec::new(), size);
    for field in fields {
        if field.name == INDEX {
            check_numbered(container, &array, field)?;
            index = Some(Span::of(&array, field, size, &mut free)?);
        } else if field.name.starts_with(BLOCK) {
            let span = Span::of(&array, field, size, &mut free)?;
            blocks.push(block_labels(container, &array, field, span.width)?);
            spans.push(span);
        } else {
            return Err(array.fault(format_args!("the fields {INDEX} and {BLOCK}0, …"), quoted(&field.name)));
        }
    }
    let Some(index @ Span { width: 1, .. }) = index else {
        return Err(array.fault(format_args!("a field {INDEX} of one number"), "none"));
    };
    let records = Rows::new(container, array, size)?;
    let rows = Box::new(TableRows { file: container.file, records, size, index, spans, last: None, row: 0 });
    Ok(Table { levels, columns, blocks, row_count, rows })
}

struct TableRows<'a> {
    file: &'a Path,
    records: Rows<'a>,
    /// Bytes of a record.
    size: usize,
    index: Span,
    spans: Vec<Span>,
    /// The last number.
    last: Option<u64>,
    /// The last row, counted from 1.
    row: u64,
}

impl RowSource for TableRows<'_> {
    fn next(&mut self, count: usize, slab: &mut Slab) -> Result<(), CorpusError> {
        for record in self.records.next(count)?.chunks_exact(self.size) {
            let number = self.index.number;
            let word = &record[self.index.range()];
            self.row += 1;
            let checked = check_number(self.file, self.row, number.integer(word), || number.shown(word), self.last)?;
            self.last = Some(checked);
            slab.numbers.push(checked);
            for (span, values) in self.spans.iter().zip(&mut slab.blocks) {
                span.number.floats(&record[span.range()], values);
            }
        }
        Ok(())
    }
}

/// Where the numbers of a field stand in a record.
struct Span {
    number: Number,
    width: usize,
    start: usize,
}

impl Span {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.width * self.number.size
    }

    /// The place of `field` in a record of `size` bytes, of which `free` belong to no field before.
    fn of(array: &Array, field: &CompoundField, size: usize, free: &mut usize) -> Result<Self, CorpusError> {
        let (element, width) = match &field.datatype {
            Datatype::Array { base, dims } => {
                (&**base, dims.iter().try_fold(1_usize, |width, dim| width.checked_mul(usize::try_from(*dim).ok()?)))
            }
            other => (other, Some(1)),
        };
        let Some(number) = Number::of(element) else {
            let got = format!("{} in {}", kind(element), quoted(&field.name));
            return Err(array.fault("fields of numbers", got));
        };
        let start = field.byte_offset as usize;
        let bytes = width.and_then(|width| width.checked_mul(number.size)).filter(|bytes| bytes <= free);
        match (width, bytes.and_then(|bytes| bytes.checked_add(start))) {
            (Some(width), Some(end)) if end <= size => {
                *free -= end - start;
                Ok(Self { number, width, start })
            }
            _ => {
                Err(array.fault(format_args!("fields within {size} bytes"), format!("{} beyond", quoted(&field.name))))
            }
        }
    }
}

/// # Errors
/// Rows that are named by something else than numbers.
fn check_numbered(container: &Container, array: &Array, field: &CompoundField) -> Result<(), CorpusError> {
    let kind = array.attribute("index_kind").and_then(|kind| text(&kind)).unwrap_or_default();
    if Number::of(&field.datatype).is_some() && matches!(kind.as_str(), "integer" | "float" | "") {
        return Ok(());
    }
    Err(not_numbered(container.file, format!("an index of the kind {}", quoted(&kind))))
}

fn block_labels(
    container: &Container,
    array: &Array,
    field: &CompoundField,
    width: usize,
) -> Result<Vec<Label>, CorpusError> {
    let labels = unpickled(container, &format!("{}_kind", field.name), |name| array.attribute(name))?;
    let labels = labels.items().iter().map(Value::texts).collect::<Option<Vec<_>>>().unwrap_or_default();
    if labels.len() != width {
        return Err(array.fault(format_args!("{width} columns in {}", field.name), format!("{}", labels.len())));
    }
    Ok(labels)
}

/// The labels of all columns, in the table's order.
fn columns(container: &Container, group: &Group) -> Result<Vec<Label>, CorpusError> {
    let axes = unpickled(container, "non_index_axes", |name| group.attribute(name).ok())?;
    let labels = axes.items().first().and_then(|axis| axis.items().get(1));
    let labels = labels.and_then(|labels| labels.items().iter().map(Value::texts).collect::<Option<Vec<_>>>());
    match labels {
        Some(labels) if !labels.is_empty() => Ok(labels),
        _ => Err(Place::file(container.file).fault("the labels of all columns in non_index_axes", "none")),
    }
}

/// The names of the levels of the columns.
fn levels(container: &Container, group: &Group) -> Result<Vec<String>, CorpusError> {
    let info = unpickled(container, "info", |name| group.attribute(name).ok())?;
    let names = info.get(&Value::Integer(1)).and_then(|axis| axis.get(&Value::Text("names".to_string())));
    let expected = "the names of the columns' levels in info";
    names.and_then(Value::texts).ok_or_else(|| Place::file(container.file).fault(expected, "none"))
}

fn unpickled(
    container: &Container,
    name: &str,
    attribute: impl FnOnce(&str) -> Option<Attribute>,
) -> Result<Value, CorpusError> {
    let expected = || format!("the attribute {name} of a pandas table");
    let attribute = attribute(name).ok_or_else(|| Place::file(container.file).fault(expected(), "none"))?;
    pickle::parse(&attribute.raw_data).map_err(|got| Place::file(container.file).fault(expected(), got))
}
