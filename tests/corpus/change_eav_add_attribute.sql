-- add column elevation (numeric) to geo.airports
ALTER TABLE geo.airports ADD COLUMN elevation numeric;

-- replace the query of view geo.airports_attributes
CREATE OR REPLACE VIEW geo.airports_attributes
WITH (security_invoker = false) AS
SELECT entity.id, held.attribute, held.value
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('icao', entity.icao::text),
  ('elevation', entity.elevation::text)
) AS held (attribute, value)
WHERE held.value IS NOT NULL;

-- replace the query of view geo.airports_attribute_history
CREATE OR REPLACE VIEW geo.airports_attribute_history
WITH (security_invoker = false) AS
SELECT
  entity.id, held.attribute, held.value,
  coalesce(entry.valid_to, entity.created_at) AS valid_from, NULL::timestamp with time zone AS valid_to,
  coalesce(entry.closed_by, entity.created_by) AS changed_by,
  coalesce(entry.closed_via, entity.created_via) AS changed_via,
  NULL::text AS closed_by, NULL::text AS closed_via
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('icao', entity.icao::text),
  ('elevation', entity.elevation::text)
) AS held (attribute, value)
LEFT JOIN LATERAL (
  SELECT log.valid_to, log.closed_by, log.closed_via
  FROM geo.airports_attribute_log AS log
  WHERE log.id = entity.id AND log.attribute = held.attribute AND log.valid_to > entity.created_at
  ORDER BY log.valid_to DESC
  LIMIT 1
) AS entry ON true
WHERE held.value IS NOT NULL
UNION ALL
SELECT
  log.id, log.attribute, log.value,
  log.valid_from, log.valid_to, log.changed_by, log.changed_via, log.closed_by, log.closed_via
FROM geo.airports_attribute_log AS log
WHERE log.value IS NOT NULL AND log.attribute = ANY (ARRAY['icao', 'elevation']::text[]);

-- add elevation to view api.airports
CREATE OR REPLACE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  CASE WHEN true THEN created_at END AS created_at,
  CASE WHEN true THEN created_by END AS created_by,
  CASE WHEN true THEN created_via END AS created_via,
  icao,
  elevation
FROM geo.airports;

-- replace function geo.airports_log_update
CREATE OR REPLACE FUNCTION geo.airports_log_update()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET extra_float_digits = '1'
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET enable_nestloop = 'off'
SET enable_seqscan = 'off'
SET jit = 'off'
AS $function$
BEGIN
  IF pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
     AND pg_catalog.current_setting('pgcraft.backfill', true) OPERATOR(pg_catalog.=) 'on'
     AND current_setting('role') = 'warehouse_owner' THEN
    RETURN NULL;
  END IF;
  INSERT INTO geo.airports_attribute_log (
    id, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    ended.id,
    ended.attribute,
    CASE ended.attribute
      WHEN 'icao' THEN ended.icao::pg_catalog.text
      WHEN 'elevation' THEN ended.elevation::pg_catalog.text
    END COLLATE pg_catalog."default",
    false,
    coalesce(entry.valid_to, ended.created_at),
    greatest((SELECT clock_timestamp()), coalesce(entry.valid_to, ended.created_at) + interval '1 microsecond'),
    'UPDATE',
    coalesce(entry.closed_by, ended.created_by),
    coalesce(entry.closed_via, ended.created_via),
    (SELECT CASE WHEN pg_catalog.current_setting('request.jwt.claims', true) OPERATOR(pg_catalog.<>) ''
    THEN coalesce(
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'sub',
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'role',
      session_user
    )
    ELSE session_user
  END),
    session_user
  FROM (
    SELECT
      old_row.*,
      unnest(array_remove(ARRAY[
        CASE WHEN old_row.icao IS DISTINCT FROM new_row.icao THEN 'icao' END,
        CASE WHEN numeric_send(old_row.elevation) IS DISTINCT FROM numeric_send(new_row.elevation) THEN 'elevation' END
      ]::pg_catalog.text[], NULL)) AS attribute
    FROM old_rows AS old_row
    JOIN new_rows AS new_row ON new_row.id = old_row.id
  ) AS ended
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM geo.airports_attribute_log AS log
    WHERE log.id = ended.id AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
    ORDER BY log.valid_to DESC
    LIMIT 1
  ) AS entry ON true;
  RETURN NULL;
END
$function$;

-- replace function geo.airports_log_delete
CREATE OR REPLACE FUNCTION geo.airports_log_delete()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET extra_float_digits = '1'
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET enable_nestloop = 'off'
SET enable_seqscan = 'off'
SET jit = 'off'
AS $function$
BEGIN
  INSERT INTO geo.airports_attribute_log (
    id, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    ended.id,
    ended.attribute,
    CASE ended.attribute
      WHEN 'icao' THEN ended.icao::pg_catalog.text
      WHEN 'elevation' THEN ended.elevation::pg_catalog.text
    END COLLATE pg_catalog."default",
    false,
    coalesce(entry.valid_to, ended.created_at),
    greatest(least((SELECT clock_timestamp()), again.created_at), coalesce(entry.valid_to, ended.created_at) + interval '1 microsecond'),
    'DELETE',
    coalesce(entry.closed_by, ended.created_by),
    coalesce(entry.closed_via, ended.created_via),
    (SELECT CASE WHEN pg_catalog.current_setting('request.jwt.claims', true) OPERATOR(pg_catalog.<>) ''
    THEN coalesce(
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'sub',
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'role',
      session_user
    )
    ELSE session_user
  END),
    session_user
  FROM (
    SELECT
      old_row.*,
      unnest(array_remove(ARRAY[
        CASE WHEN old_row.icao IS DISTINCT FROM NULL THEN 'icao' END,
        CASE WHEN old_row.elevation IS DISTINCT FROM NULL THEN 'elevation' END
      ]::pg_catalog.text[], NULL)) AS attribute
    FROM old_rows AS old_row
  ) AS ended
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM geo.airports_attribute_log AS log
    WHERE log.id = ended.id AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
    ORDER BY log.valid_to DESC
    LIMIT 1
  ) AS entry ON true
  LEFT JOIN LATERAL (
    SELECT present.created_at
    FROM geo.airports AS present
    WHERE present.id = ended.id
    LIMIT 1
  ) AS again ON true;
  RETURN NULL;
END
$function$;
