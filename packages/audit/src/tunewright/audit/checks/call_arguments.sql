-- id: call.arguments
-- severity: fail
-- reason: Arguments that the tool does not take, or lacks, make the call fail when it is run.
-- hint: Validate every call against the tool's schema when the row is made.
WITH schemas AS (
    SELECT toolset, tool, parameters -> '$.properties' AS properties,
        coalesce(json_keys(parameters, '$.properties'), []) AS names,
        coalesce(from_json(parameters -> '$.required', '["VARCHAR"]'), []) AS required,
        contains(parameters, '"enum"') AS lists_values,
        coalesce(parameters ->> '$.additionalProperties' = 'true', false)
            OR coalesce(json_type(parameters, '$.additionalProperties') = 'OBJECT', false) AS open
    FROM offered WHERE parameters <> ''
    QUALIFY row_number() OVER (PARTITION BY toolset, tool ORDER BY position) = 1
), given AS (
    SELECT c.example, c.message, c.tool, s.properties, s.names, s.required, s.open, s.lists_values, c.arguments::JSON AS arguments,
        -- Positional arguments fill the parameters in their order.
        list_transform(json_keys(c.arguments), lambda k: if(k[1] = '$', coalesce(names[k[2:]::INTEGER + 1], k), k)) AS keys,
        json_keys(c.arguments) AS written
    FROM calls c JOIN rows r USING (example)
    JOIN schemas s ON s.toolset = coalesce(r.toolset, 'catalog') AND s.tool = c.tool
    WHERE c.error = ''
), faults_found AS MATERIALIZED (
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
            json_extract(arguments, '/' || replace(replace(key, '~', '~0'), '/', '~1') || '/$expression') AS computed,
            arguments, key
        FROM (SELECT example, message, tool, properties, arguments, unnest(keys) AS name, unnest(written) AS key FROM given)
    ) WHERE computed IS NULL AND NOT CASE wanted
        -- JSON Schema takes 2.0 for an integer.
        WHEN 'string' THEN found = 'VARCHAR' WHEN 'integer' THEN found IN ('UBIGINT', 'BIGINT', 'HUGEINT')
            OR (found = 'DOUBLE' AND regexp_matches(
                json_extract(arguments, '/' || replace(replace(key, '~', '~0'), '/', '~1'))::VARCHAR, '^-?\d+\.0+$'))
        WHEN 'number' THEN found IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE') WHEN 'boolean' THEN found = 'BOOLEAN'
        WHEN 'array' THEN found = 'ARRAY' WHEN 'object' THEN found = 'OBJECT' ELSE true END
        AND found <> 'NULL'
    UNION ALL
    SELECT example, message, tool, format('{} should be one of {}, it is {}', name, allowed[:80], value[:40]) FROM (
        SELECT example, message, tool, name, json_extract(properties, '/' || name || '/enum') AS allowed,
            json_extract(arguments, '/' || replace(replace(key, '~', '~0'), '/', '~1')) AS value
        FROM (SELECT example, message, tool, properties, arguments, unnest(keys) AS name, unnest(written) AS key
              FROM given WHERE lists_values)
    ) WHERE json_type(allowed) = 'ARRAY' AND json_type(value) NOT IN ('OBJECT', 'ARRAY', 'NULL')
        AND NOT json_contains(allowed, value)
    UNION ALL
    SELECT example, message, tool, fault FROM schema_faults
), counted AS (
    SELECT tool, count(DISTINCT example) AS n FROM faults_found WHERE fault IS NOT NULL GROUP BY tool
), named AS (
    -- A finding for each fault, unless there are too many to read.
    SELECT count(*) AS tools, (SELECT count(DISTINCT (tool, fault)) FROM faults_found WHERE fault IS NOT NULL) AS faults,
        array_to_string(list(format('{} ({})', tool, n) ORDER BY n DESC, tool)[:5], ', ') AS names
    FROM counted
)
SELECT example,
    if(faults <= 10, format('{}: {}', tool, fault),
        format('Calls of {} {} do not fit what the tool takes: {}{}', tools, if(tools = 1, 'tool', 'tools'), names,
            if(tools > 5, ', …', ''))) AS message,
    'message ' || message || if(faults <= 10, '', format(': {}: {}', tool, fault)) AS detail
FROM faults_found, named WHERE fault IS NOT NULL
