-- id: call.arguments
-- severity: fail
-- reason: Arguments that the tool does not take, or lacks, make the call fail when it is run.
-- hint: Validate every call against the tool's schema when the row is made.
WITH schemas AS (
    SELECT toolset, tool, parameters -> '$.properties' AS properties,
        coalesce(json_keys(parameters, '$.properties'), []) AS names,
        coalesce(from_json(parameters -> '$.required', '["VARCHAR"]'), []) AS required,
        coalesce(parameters ->> '$.additionalProperties' = 'true', false)
            OR coalesce(json_type(parameters, '$.additionalProperties') = 'OBJECT', false) AS open
    FROM offered WHERE parameters <> ''
    QUALIFY row_number() OVER (PARTITION BY toolset, tool ORDER BY position) = 1
), given AS (
    SELECT c.example, c.message, c.tool, s.properties, s.names, s.required, s.open, c.arguments::JSON AS arguments,
        -- Positional arguments fill the parameters in their order.
        list_transform(json_keys(c.arguments), lambda k: if(k[1] = '$', coalesce(names[k[2:]::INTEGER + 1], k), k)) AS keys,
        json_keys(c.arguments) AS written
    FROM calls c JOIN rows r USING (example)
    JOIN schemas s ON s.toolset = coalesce(r.toolset, 'catalog') AND s.tool = c.tool
    WHERE c.error = ''
), faults_found AS (
    SELECT example, message, tool, 'lacks ' || unnest(list_filter(required, lambda n: NOT list_contains(keys, n))) AS fault
    FROM given WHERE NOT list_contains(keys, '**')
    UNION ALL
    SELECT example, message, tool,
        CASE WHEN k[1] = '$' THEN 'has too many arguments' ELSE 'has no parameter ' || k END
    FROM (SELECT example, message, tool, unnest(list_filter(keys, lambda n: NOT list_contains(names, n) AND n <> '**')) AS k
          FROM given WHERE NOT open)
    UNION ALL
    SELECT example, message, tool, format('{} should be {}, it is {}', name, wanted, lower(found)) FROM (
        SELECT example, message, tool, name, json_extract_string(properties, '/' || name || '/type') AS wanted,
            json_type(arguments, '/' || replace(replace(key, '~', '~0'), '/', '~1')) AS found,
            json_extract(arguments, '/' || replace(replace(key, '~', '~0'), '/', '~1') || '/$expression') AS computed
        FROM (SELECT example, message, tool, properties, arguments, unnest(keys) AS name, unnest(written) AS key FROM given)
    ) WHERE computed IS NULL AND NOT CASE wanted
        WHEN 'string' THEN found = 'VARCHAR' WHEN 'integer' THEN found IN ('UBIGINT', 'BIGINT', 'HUGEINT')
        WHEN 'number' THEN found IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE') WHEN 'boolean' THEN found = 'BOOLEAN'
        WHEN 'array' THEN found = 'ARRAY' WHEN 'object' THEN found = 'OBJECT' ELSE true END
        AND found <> 'NULL'
)
SELECT example, format('{}: {}', tool, fault) AS message, 'message ' || message AS detail
FROM faults_found WHERE fault IS NOT NULL
