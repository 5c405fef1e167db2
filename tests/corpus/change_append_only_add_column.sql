-- add column country (character(2)) to geo.airports
ALTER TABLE geo.airports ADD COLUMN country character(2) DEFAULT ('XX') NOT NULL;

-- add column country (character(2)) to geo.airports_history
ALTER TABLE geo.airports_history ADD COLUMN country character(2);

-- add country to view geo.airports_versions
CREATE OR REPLACE VIEW geo.airports_versions
WITH (security_invoker = false) AS
SELECT
  id,
  valid_from,
  NULL::timestamp with time zone AS valid_to,
  NULL::pg_catalog.text AS operation,
  changed_by,
  changed_via,
  NULL::pg_catalog.text AS closed_by,
  NULL::pg_catalog.text AS closed_via,
  icao,
  country
FROM geo.airports
UNION ALL
SELECT
  id,
  valid_from,
  valid_to,
  operation,
  changed_by,
  changed_via,
  closed_by,
  closed_via,
  icao,
  country
FROM geo.airports_history;

-- add country to view api.airports
CREATE OR REPLACE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  CASE WHEN true THEN valid_from END AS valid_from,
  CASE WHEN true THEN changed_by END AS changed_by,
  CASE WHEN true THEN changed_via END AS changed_via,
  icao,
  country
FROM geo.airports;

-- add country to view api.airports_versions
CREATE OR REPLACE VIEW api.airports_versions
WITH (security_invoker = false) AS
SELECT
  id,
  valid_from,
  valid_to,
  operation,
  changed_by,
  changed_via,
  closed_by,
  closed_via,
  icao,
  country
FROM geo.airports_versions;

-- replace function geo.airports_stamp
CREATE OR REPLACE FUNCTION geo.airports_stamp()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $function$
-- Sessions compile it anew when a type changes, as its text does: bigint, character varying(4), character(2)
BEGIN
  IF current_user OPERATOR(pg_catalog.=) 'warehouse_owner'
     AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
     AND pg_catalog.current_setting('pgcraft.backfill', true) OPERATOR(pg_catalog.=) 'on' THEN
    RETURN NEW;
  END IF;
  IF pg_catalog.record_image_eq(
    ROW(NEW.id, NEW.icao, NEW.country),
    ROW(OLD.id, OLD.icao, OLD.country)
  ) THEN
    -- The version stands, whatever the statement says; only the owner's settling of an INSERT moves its beginning.
    IF pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
       OR current_user OPERATOR(pg_catalog.<>) 'warehouse_owner' THEN
      NEW.valid_from := OLD.valid_from;
      NEW.changed_by := OLD.changed_by;
      NEW.changed_via := OLD.changed_via;
    END IF;
    RETURN NEW;
  END IF;
  -- Versions of a row never run backwards, though clocks do.
  NEW.valid_from := greatest(
    pg_catalog.clock_timestamp(),
    OLD.valid_from OPERATOR(pg_catalog.+) interval '1 microsecond'
  );
  NEW.changed_by := CASE WHEN pg_catalog.current_setting('request.jwt.claims', true) OPERATOR(pg_catalog.<>) ''
    THEN coalesce(
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'sub',
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'role',
      session_user
    )
    ELSE session_user
  END;
  NEW.changed_via := session_user;
  RETURN NEW;
END
$function$;

-- replace function geo.airports_close_updated
CREATE OR REPLACE FUNCTION geo.airports_close_updated()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = 'off'
AS $function$
BEGIN
  -- Within a trigger it may be that an INSERT is settled, which changes nothing but the stamp.
  IF pg_trigger_depth() > 1 THEN
    IF NOT EXISTS (
      SELECT FROM old_rows AS o
      JOIN new_rows AS n ON n.id = o.id
      WHERE NOT pg_catalog.record_image_eq(
        ROW(n.id, n.icao, n.country),
        ROW(o.id, o.icao, o.country)
      )
    ) THEN
      RETURN NULL;
    END IF;
  END IF;
  INSERT INTO geo.airports_history (
    id,
    icao,
    country,
    valid_from,
    changed_by,
    changed_via,
    valid_to, operation, closed_by, closed_via
  )
  SELECT
    o.id,
    o.icao,
    o.country,
    o.valid_from,
    o.changed_by,
    o.changed_via,
    n.valid_from, 'UPDATE', n.changed_by, n.changed_via
  FROM old_rows AS o
  JOIN new_rows AS n ON n.id = o.id AND n.valid_from > o.valid_from;
  RETURN NULL;
END
$function$;

-- replace function geo.airports_close_deleted
CREATE OR REPLACE FUNCTION geo.airports_close_deleted()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = 'off'
AS $function$
<<closing>>
DECLARE
  instant timestamp with time zone := greatest(statement_timestamp(), clock_timestamp() - interval '50 microseconds');
  actor pg_catalog.text := CASE WHEN pg_catalog.current_setting('request.jwt.claims', true) OPERATOR(pg_catalog.<>) ''
    THEN coalesce(
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'sub',
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'role',
      session_user
    )
    ELSE session_user
  END;
BEGIN
  INSERT INTO geo.airports_history (
    id,
    icao,
    country,
    valid_from,
    changed_by,
    changed_via,
    valid_to, operation, closed_by, closed_via
  )
  SELECT
    o.id,
    o.icao,
    o.country,
    o.valid_from,
    o.changed_by,
    o.changed_via,
    -- The statement may also have made the row again, and ended it again: then the version ended before all that.
    greatest(least(closing.instant, again.valid_from), o.valid_from + interval '1 microsecond'),
    'DELETE', closing.actor, session_user
  FROM old_rows AS o
  CROSS JOIN LATERAL (
    SELECT min(later.valid_from) AS valid_from
    FROM (
      SELECT present.valid_from
      FROM geo.airports AS present
      WHERE present.id = o.id
      UNION ALL
      SELECT past_row.valid_from
      FROM geo.airports_history AS past_row
      WHERE past_row.id = o.id
        AND past_row.valid_to > o.valid_from AND past_row.valid_from > o.valid_from
    ) AS later
  ) AS again;
  RETURN NULL;
END
$function$;

-- replace function geo.airports_diff
CREATE OR REPLACE FUNCTION geo.airports_diff(entity bigint)
RETURNS TABLE (changed_at timestamp with time zone, operation text, "column" text, old_value text, new_value text, changed_by text, changed_via text)
LANGUAGE sql STABLE
AS $function$
WITH steps AS (
  SELECT v.*::geo.airports_versions AS version, pg_catalog.lag(v.*) OVER (ORDER BY v.valid_from) AS previous
  FROM geo.airports_versions AS v
  WHERE v.id OPERATOR(pg_catalog.=) airports_diff.entity
), events AS (
  SELECT
    (version).valid_from AS happened_at, 'UPDATE' AS operation, previous AS old, version AS new,
    (version).changed_by AS actor, (version).changed_via AS via
  FROM steps
  WHERE (previous).operation OPERATOR(pg_catalog.=) 'UPDATE'
  UNION ALL
  SELECT (version).valid_from, 'INSERT', NULL, version, (version).changed_by, (version).changed_via
  FROM steps
  WHERE coalesce((previous).operation OPERATOR(pg_catalog.<>) 'UPDATE', true)
  UNION ALL
  SELECT (version).valid_to, 'DELETE', version, NULL, (version).closed_by, (version).closed_via
  FROM steps
  WHERE (version).operation OPERATOR(pg_catalog.=) 'DELETE'
)
SELECT e.happened_at, e.operation, c.name, c.old_value, c.new_value, e.actor, e.via
FROM events AS e
CROSS JOIN LATERAL (VALUES
  (1, 'id', (e.old).id::pg_catalog.text, (e.new).id::pg_catalog.text),
  (2, 'icao', (e.old).icao::pg_catalog.text, (e.new).icao::pg_catalog.text),
  (3, 'country', (e.old).country::pg_catalog.text, (e.new).country::pg_catalog.text)
) AS c (position, name, old_value, new_value)
WHERE pg_catalog.num_nulls(c.old_value, c.new_value) OPERATOR(pg_catalog.=) 1
  OR c.old_value OPERATOR(pg_catalog.<>) c.new_value
ORDER BY e.happened_at, e.operation, c.position
$function$;

-- replace function api.airports_diff
CREATE OR REPLACE FUNCTION api.airports_diff(entity bigint)
RETURNS TABLE (changed_at timestamp with time zone, operation text, "column" text, old_value text, new_value text, changed_by text, changed_via text)
LANGUAGE sql STABLE
AS $function$
WITH steps AS (
  SELECT v.*::api.airports_versions AS version, pg_catalog.lag(v.*) OVER (ORDER BY v.valid_from) AS previous
  FROM api.airports_versions AS v
  WHERE v.id OPERATOR(pg_catalog.=) airports_diff.entity
), events AS (
  SELECT
    (version).valid_from AS happened_at, 'UPDATE' AS operation, previous AS old, version AS new,
    (version).changed_by AS actor, (version).changed_via AS via
  FROM steps
  WHERE (previous).operation OPERATOR(pg_catalog.=) 'UPDATE'
  UNION ALL
  SELECT (version).valid_from, 'INSERT', NULL, version, (version).changed_by, (version).changed_via
  FROM steps
  WHERE coalesce((previous).operation OPERATOR(pg_catalog.<>) 'UPDATE', true)
  UNION ALL
  SELECT (version).valid_to, 'DELETE', version, NULL, (version).closed_by, (version).closed_via
  FROM steps
  WHERE (version).operation OPERATOR(pg_catalog.=) 'DELETE'
)
SELECT e.happened_at, e.operation, c.name, c.old_value, c.new_value, e.actor, e.via
FROM events AS e
CROSS JOIN LATERAL (VALUES
  (1, 'id', (e.old).id::pg_catalog.text, (e.new).id::pg_catalog.text),
  (2, 'icao', (e.old).icao::pg_catalog.text, (e.new).icao::pg_catalog.text),
  (3, 'country', (e.old).country::pg_catalog.text, (e.new).country::pg_catalog.text)
) AS c (position, name, old_value, new_value)
WHERE pg_catalog.num_nulls(c.old_value, c.new_value) OPERATOR(pg_catalog.=) 1
  OR c.old_value OPERATOR(pg_catalog.<>) c.new_value
ORDER BY e.happened_at, e.operation, c.position
$function$;

-- replace function geo.airports_as_of
CREATE OR REPLACE FUNCTION geo.airports_as_of(at timestamp with time zone)
RETURNS SETOF geo.airports_versions
LANGUAGE sql STABLE
AS $function$
SELECT
  id,
  valid_from,
  NULL::timestamp with time zone AS valid_to,
  NULL::pg_catalog.text AS operation,
  changed_by,
  changed_via,
  NULL::pg_catalog.text AS closed_by,
  NULL::pg_catalog.text AS closed_via,
  icao,
  country
FROM geo.airports
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at
UNION ALL
SELECT
  id,
  valid_from,
  valid_to,
  operation,
  changed_by,
  changed_via,
  closed_by,
  closed_via,
  icao,
  country
FROM geo.airports_history
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at AND valid_to OPERATOR(pg_catalog.>) airports_as_of.at
$function$;

-- replace function api.airports_as_of
CREATE OR REPLACE FUNCTION api.airports_as_of(at timestamp with time zone)
RETURNS SETOF api.airports
LANGUAGE sql STABLE
AS $function$
SELECT id, valid_from, changed_by, changed_via, icao, country
FROM api.airports
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at
UNION ALL
SELECT id, valid_from, changed_by, changed_via, icao, country
FROM api.airports_versions
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at AND valid_to OPERATOR(pg_catalog.>) airports_as_of.at
$function$;

-- restate the default of country on view api.airports
ALTER VIEW api.airports ALTER COLUMN country SET DEFAULT ('XX');
