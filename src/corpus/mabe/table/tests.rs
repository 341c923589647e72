use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Encoding, GzipLevel, Type as Physical, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;

/// A column of a table that is written as it stands.
pub enum Raw<'a> {
    Int32(&'a [Option<i32>]),
    Int64(&'a [Option<i64>]),
    Float(&'a [Option<f32>]),
    Double(&'a [Option<f64>]),
    Bytes(&'a [Option<&'a [u8]>]),
    /// Floats of 16 bits, by their bits.
    Half(&'a [Option<u16>]),
}

/// Writes the same row group `groups` times, by a schema whose columns are all optional.
pub fn write_raw(file: &Path, schema: &str, columns: &[Raw], groups: usize, compression: Compression) {
    let properties = WriterProperties::builder().set_compression(compression).build();
    write_raw_with(file, schema, columns, groups, properties);
}

fn write_raw_with(file: &Path, schema: &str, columns: &[Raw], groups: usize, properties: WriterProperties) {
    use parquet::file::writer::SerializedColumnWriter;
    fn column<T: DataType>(group: &mut SerializedColumnWriter, cells: &[Option<T::T>]) {
        let values: Vec<T::T> = cells.iter().flatten().cloned().collect();
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
        group.typed::<T>().write_batch(&values, Some(&levels), None).unwrap();
    }
    let schema = Arc::new(parse_message_type(&format!("message table {{ {schema} }}")).unwrap());
    let out = std::fs::File::create(file).unwrap();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties)).unwrap();
    for _ in 0..groups {
        let mut group = writer.next_row_group().unwrap();
        for cells in columns {
            let mut out = group.next_column().unwrap().unwrap();
            match cells {
                Raw::Int32(cells) => column::<Int32Type>(&mut out, cells),
                Raw::Int64(cells) => column::<Int64Type>(&mut out, cells),
                Raw::Float(cells) => column::<FloatType>(&mut out, cells),
                Raw::Double(cells) => column::<DoubleType>(&mut out, cells),
                Raw::Bytes(cells) => {
                    let cells: Vec<_> = cells.iter().map(|cell| cell.map(ByteArray::from)).collect();
                    column::<ByteArrayType>(&mut out, &cells);
                }
                Raw::Half(cells) => {
                    let bytes = |bits: u16| ByteArray::from(bits.to_le_bytes().to_vec()).into();
                    let cells: Vec<_> = cells.iter().map(|cell| cell.map(bytes)).collect();
                    column::<FixedLenByteArrayType>(&mut out, &cells);
                }
            }
            out.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// What becomes of a file.
#[derive(Clone, Debug)]
pub enum Damage {
    Cut(prop::sample::Index),
    Bits(Vec<(prop::sample::Index, u8)>),
    /// In the description at the end, which says where everything is and how much.
    Footer(prop::sample::Index, u8),
}

impl Damage {
    pub fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            any::<prop::sample::Index>().prop_map(Self::Cut),
            prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4).prop_map(Self::Bits),
            (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Self::Footer(at, byte)),
        ]
    }

    pub fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Bits(bits) => {
                for (at, bit) in bits {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            Self::Footer(at, byte) => {
                let end = bytes.len() - 8;
                let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
                bytes[end - 1 - at.index(length)] = *byte;
            }
        }
    }
}

/// Every codec that is read.
fn codecs() -> [Compression; 6] {
    let (gzip, zstd) = (Compression::GZIP(GzipLevel::default()), Compression::ZSTD(ZstdLevel::default()));
    [Compression::UNCOMPRESSED, Compression::SNAPPY, zstd, gzip, Compression::LZ4, Compression::LZ4_RAW]
}

const SCHEMA: &str = "optional int32 narrow (INT_16); optional int64 wide; optional int32 unsigned (UINT_32); \
    optional binary text (UTF8); optional float single; optional double double; optional int64 whole;";

const ALL: Columns =
    Columns { ints: &["wide", "unsigned", "narrow"], texts: &["text"], floats: &["double", "single", "whole"] };

/// Row groups of the same three rows, `times` over.
fn sample(file: &Path, groups: usize, times: usize, compression: Compression) {
    let columns = [
        Raw::Int32(&[Some(-7), Some(8), Some(9)].repeat(times)),
        Raw::Int64(&[Some(1 << 40), Some(2), Some(3)].repeat(times)),
        Raw::Int32(&[Some(-1), Some(1), Some(2)].repeat(times)),
        Raw::Bytes(&[Some("é".as_bytes()), Some(b"b"), Some("é".as_bytes())].repeat(times)),
        Raw::Float(&[Some(0.1), None, Some(3.0)].repeat(times)),
        Raw::Double(&[Some(0.1), Some(0.2), None].repeat(times)),
        Raw::Int64(&[None, Some(2), Some(3)].repeat(times)),
    ];
    write_raw(file, SCHEMA, &columns, groups, compression);
}

#[derive(Debug, Default, PartialEq)]
struct Read {
    ints: Vec<Vec<i64>>,
    texts: Vec<String>,
    floats: Vec<Vec<Option<f32>>>,
}

fn read(file: &Path, columns: &Columns) -> Result<Read, CorpusError> {
    let mut read = Read { ints: vec![Vec::new(); 3], texts: Vec::new(), floats: vec![Vec::new(); 3] };
    let mut row = 1;
    Table::open(file)?.scan(columns, |batch| {
        assert_eq!(batch.row, row);
        row += batch.texts[0].len() as u64;
        for (all, ints) in read.ints.iter_mut().zip(&batch.ints) {
            all.extend(ints);
        }
        read.texts.extend(batch.texts[0].iter().map(|&code| batch.names[0][code as usize].clone()));
        for (all, floats) in read.floats.iter_mut().zip(&batch.floats) {
            all.extend(floats.iter().map(|value| (!value.is_nan()).then_some(*value)));
        }
        Ok(())
    })?;
    Ok(read)
}

#[test]
fn columns_of_any_width_and_order_are_read_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    for compression in codecs() {
        // The second file has row groups of more than one batch.
        for (groups, times) in [(1, 1), (3, BATCH_ROWS / 2)] {
            sample(&file, groups, times, compression);
            let rows = groups * times;
            let column = |cells: [Option<f32>; 3]| cells.repeat(rows);
            let expected = Read {
                ints: [[1 << 40, 2, 3], [i64::from(u32::MAX), 1, 2], [-7, 8, 9]].map(|ints| ints.repeat(rows)).into(),
                texts: ["é", "b", "é"].repeat(rows).into_iter().map(str::to_string).collect(),
                floats: vec![
                    column([Some(0.1), Some(0.2), None]),
                    column([Some(0.1), None, Some(3.0)]),
                    column([None, Some(2.0), Some(3.0)]),
                ],
            };
            assert_eq!(read(&file, &ALL).unwrap(), expected);
        }
    }
}

#[test]
fn a_table_that_does_not_fit_is_told_by_column_and_row() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    sample(&file, 1, 1, Compression::UNCOMPRESSED);
    let message = |columns: &Columns| read(&file, columns).unwrap_err().to_string();
    for (columns, expected) in [
        (Columns { ints: &["frame", "x", "wide"], ..ALL }, r#"columns ["frame", "x"], got the columns "narrow, wide"#),
        (Columns { ints: &["text"], ..ALL }, r#"expected whole numbers in the column "text", got texts"#),
        (Columns { ints: &["double"], ..ALL }, r#"row 3: expected a number in the column "double", got an empty cell"#),
        (Columns { texts: &["wide"], ..ALL }, r#"expected texts in the column "wide", got whole numbers"#),
        (Columns { floats: &["text"], ..ALL }, r#"expected numbers in the column "text", got texts"#),
        (Columns { ints: &["whole"], ..ALL }, r#"row 1: expected a number in the column "whole", got an empty cell"#),
    ] {
        assert!(message(&columns).contains(expected), "{}\nis not\n{expected}", message(&columns));
    }
    let garbled = [
        (Some(&b"a\xff"[..]), r#"row 2: expected values in the column "text", got a text that is no UTF-8"#),
        (None, r#"row 2: expected a text in the column "text", got an empty cell"#),
    ];
    for (cell, expected) in garbled {
        let schema = "optional binary text (UTF8);";
        write_raw(&file, schema, &[Raw::Bytes(&[Some(b"a"), cell])], 1, Compression::SNAPPY);
        let error = message(&Columns { texts: &["text"], ..Columns::default() });
        assert!(error.contains(expected), "{error}");
    }
}

/// Cells of a column and, by row, what is expected and got instead of a number.
type Broken<'a> = (Raw<'a>, &'a str, &'a str);

#[test]
fn whole_numbers_may_be_stored_as_floats() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    let columns = Columns { ints: &["wide", "narrow"], ..Columns::default() };
    let schema = "optional double wide; optional float narrow;";
    let wide = [Some(-0.0), Some(4294967295.0), Some(-9007199254740991.0)];
    let narrow = [Some(7.0), Some(-16777215.0), Some(0.0)];
    write_raw(&file, schema, &[Raw::Double(&wide), Raw::Float(&narrow)], 2, Compression::SNAPPY);
    let mut found = Vec::new();
    let ints = |batch: &Batch| {
        found.push(batch.ints.clone());
        Ok(())
    };
    Table::open(&file).unwrap().scan(&columns, ints).unwrap();
    assert_eq!(found, vec![vec![vec![0, 4294967295, -9007199254740991], vec![7, -16777215, 0]]; 2]);

    let under = |end: &str| format!("a whole number under {end} (beyond it floats of this size leave some out)");
    let (double_end, single_end) = (under("9007199254740992"), under("16777216"));
    let broken: [Broken; 8] = [
        (Raw::Double(&[Some(1.0), Some(1.5)]), "a whole number", "1.5"),
        (Raw::Double(&[Some(1.0), Some(f64::NAN)]), "a whole number", "NaN"),
        (Raw::Double(&[Some(1.0), Some(f64::NEG_INFINITY)]), "a whole number", "-inf"),
        (Raw::Double(&[Some(1.0), Some(9007199254740992.0)]), &double_end, "9007199254740992.0"),
        (Raw::Double(&[Some(1.0), None]), "a number", "an empty cell"),
        (Raw::Float(&[Some(1.0), Some(f32::NAN)]), "a whole number", "NaN"),
        (Raw::Float(&[Some(1.0), Some(-16777216.0)]), &single_end, "-16777216.0"),
        (Raw::Float(&[Some(1.0), None]), "a number", "an empty cell"),
    ];
    for (cells, expected, got) in broken {
        let schema = if matches!(cells, Raw::Float(_)) { "optional float frame;" } else { "optional double frame;" };
        write_raw(&file, schema, &[cells], 1, Compression::SNAPPY);
        let columns = Columns { ints: &["frame"], ..Columns::default() };
        let error = Table::open(&file).unwrap().scan(&columns, |_| Ok(())).unwrap_err().to_string();
        let expected = format!(r#"a.parquet: row 2: expected {expected} in the column "frame", got {got}"#);
        assert!(error.ends_with(&expected), "{error}\nis not\n{expected}");
    }
}

#[test]
fn floats_of_16_bits_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    // Examples of the Wikipedia article "Half-precision floating-point format".
    let (bits, floats): (Vec<Option<u16>>, Vec<f32>) = [
        (Some(0x0001), 1.0 / 16777216.0),
        (Some(0x03ff), 1023.0 / 16777216.0),
        (Some(0x0400), 1.0 / 16384.0),
        (Some(0x3555), 0.33325195),
        (Some(0x3c01), 1025.0 / 1024.0),
        (Some(0xc000), -2.0),
        (None, f32::NAN),
        (Some(0x7bff), 65504.0),
        (Some(0xfc00), f32::NEG_INFINITY),
        (Some(0x7e01), f32::NAN),
        (Some(0x8000), -0.0),
    ]
    .into_iter()
    .unzip();
    write_raw(&file, "optional fixed_len_byte_array(2) x (FLOAT16);", &[Raw::Half(&bits)], 1, Compression::SNAPPY);
    let columns = Columns { floats: &["x"], ..Columns::default() };
    let check = |batch: &Batch| {
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(batch.floats[0].len() == 11 && batch.floats[0].iter().zip(&floats).all(same), "{:?}", batch.floats);
        Ok(())
    };
    Table::open(&file).unwrap().scan(&columns, check).unwrap();
    write_raw(&file, "optional fixed_len_byte_array(2) x;", &[Raw::Half(&bits)], 1, Compression::SNAPPY);
    let error = Table::open(&file).unwrap().scan(&columns, |_| Ok(())).unwrap_err().to_string();
    assert!(error.ends_with(r#"expected numbers or texts in the column "x", got FIXED_LEN_BYTE_ARRAY"#), "{error}");
}

#[test]
fn a_codec_or_encoding_that_is_not_read_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    let cells = [Raw::Bytes(&[Some(b"nose"), Some(b"tail")])];
    let schema = "optional binary text (UTF8);";
    let message = || {
        let columns = Columns { texts: &["text"], ..Columns::default() };
        Table::open(&file).unwrap().scan(&columns, |_| Ok(())).unwrap_err().to_string()
    };
    write_raw(&file, schema, &cells, 1, Compression::SNAPPY);
    // The description at the end holds the number of the codec, after the path of the column.
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len();
    let path = bytes[end / 2..].windows(5).rposition(|window| window == b"\x04text").unwrap() + end / 2;
    assert_eq!(bytes[path + 5..path + 7], [0x15, 2], "a field of 32 bits that says snappy");
    for (codec, name) in [(3, "LZO"), (4, "BROTLI")] {
        bytes[path + 6] = codec << 1;
        std::fs::write(&file, &bytes).unwrap();
        let expected = format!(
            "a.parquet: expected values compressed by snappy, zstd, gzip or LZ4 in the column \"text\", got {name}: \
             rewrite the file with snappy or zstd"
        );
        assert!(message().ends_with(&expected), "{}\nis not\n{expected}", message());
    }
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        let properties = WriterProperties::builder().set_dictionary_enabled(false).set_encoding(encoding);
        let properties = properties.set_writer_version(WriterVersion::PARQUET_2_0).build();
        write_raw_with(&file, schema, &cells, 1, properties);
        let expected = format!(
            "row 1: expected values in the column \"text\", got values encoded as {encoding}, which is not read: rewrite \
             the file with dictionaries or plain values"
        );
        assert!(message().ends_with(&expected), "{}\nis not\n{expected}", message());
    }
}

#[test]
fn what_is_no_parquet_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.parquet");
    assert!(matches!(Table::open(&file), Err(CorpusError::Io { .. })));
    assert!(
        Table::open(dir.path()).err().unwrap().to_string().contains("expected a parquet file, got what is no file")
    );
    let huge_footer = [b"PAR1\xff\xff\xff\x7f", &b"PAR1"[..]].concat();
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"video_frame,mouse_id\n0,1\n", &[0; 64], &huge_footer] {
        std::fs::write(&file, bytes).unwrap();
        let error = Table::open(&file).err().unwrap().to_string();
        assert!(error.contains("a.parquet: expected a parquet file, got "), "{error}");
    }
}

#[test]
fn a_panic_of_the_decoder_is_an_error() {
    let error = guarded::<()>(|| panic!("{} bits", 77)).unwrap_err();
    assert_eq!(error, "damaged data (77 bits)");
}

#[test]
fn a_dictionary_longer_than_its_bytes_is_refused_before_it_is_allocated() {
    use parquet::column::page::{Page, PageMetadata, PageReader};
    struct One(Option<Page>);
    impl Iterator for One {
        type Item = parquet::errors::Result<Page>;
        fn next(&mut self) -> Option<Self::Item> {
            self.get_next_page().transpose()
        }
    }
    impl PageReader for One {
        fn get_next_page(&mut self) -> parquet::errors::Result<Option<Page>> {
            Ok(self.0.take())
        }
        fn peek_next_page(&mut self) -> parquet::errors::Result<Option<PageMetadata>> {
            Ok(None)
        }
        fn skip_next_page(&mut self) -> parquet::errors::Result<()> {
            Ok(())
        }
    }
    let pages_of = |physical, page| Checked::new(Box::new(One(Some(page))), physical).get_next_page();
    let pages = |page| pages_of(Physical::BYTE_ARRAY, page);
    let encoding = Encoding::PLAIN;
    let dictionary =
        |num_values| Page::DictionaryPage { buf: vec![0; 8].into(), num_values, encoding, is_sorted: false };
    assert!(pages(dictionary(2)).is_ok());
    assert!(pages(dictionary(3)).unwrap_err().to_string().contains("a dictionary of 3 values in 8 bytes"));
    assert!(pages_of(Physical::FIXED_LEN_BYTE_ARRAY, dictionary(4)).is_ok());
    assert!(pages_of(Physical::FIXED_LEN_BYTE_ARRAY, dictionary(5)).is_err());
    let data = Page::DataPage {
        buf: vec![0; 8].into(),
        num_values: 1,
        encoding: Encoding::RLE_DICTIONARY,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    assert!(pages(data).unwrap_err().to_string().contains("a page without its dictionary"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damage_gives_an_error_or_a_table_but_no_panic(damage in Damage::any(), codec in 0_usize..6) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.parquet");
        sample(&file, 2, 1, codecs()[codec]);
        let mut bytes = std::fs::read(&file).unwrap();
        damage.apply(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        let result = read(&file, &ALL);
        if matches!(damage, Damage::Cut(_)) {
            prop_assert!(result.is_err());
        }
    }
}
