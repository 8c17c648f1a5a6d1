-- id: format.blank_tools
-- severity: warn
-- reason: Blank text is neither a list of tools nor nothing: a template takes it for tools, and a loader that parses it stops.
-- message: {rows} rows have tools that are blank text
-- hint: Write a list of tools, or leave the key out.
SELECT file, line, detail FROM faults WHERE kind = 'blank_tools'
