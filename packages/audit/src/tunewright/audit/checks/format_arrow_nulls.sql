-- id: format.arrow_nulls
-- severity: warn
-- reason: Arrow gives every tool the parameters of all others as nulls, and a chat template writes them into the prompt.
-- message: {rows} rows have nulls that Arrow adds
-- hint: Keep tools as JSON text when data go through Parquet, or remove the nulls: data.merge or data.normalize with --config, and drop_padding = true in [read].
WITH found AS (
    SELECT r.file, r.line, n.detail FROM rows r JOIN toolset_nulls n USING (toolset)
    UNION ALL
    SELECT file, line, detail FROM faults WHERE kind = 'padding'
)
SELECT file, line, min(detail) AS detail FROM found GROUP BY ALL
