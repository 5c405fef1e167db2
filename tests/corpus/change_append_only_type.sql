-- drop function geo.airports_as_of
DROP FUNCTION geo.airports_as_of(timestamp with time zone);

-- drop function api.airports_as_of
DROP FUNCTION api.airports_as_of(timestamp with time zone);

-- drop view api.airports_versions
DROP VIEW api.airports_versions;

-- drop view api.airports
DROP VIEW api.airports;

-- drop view geo.airports_versions
DROP VIEW geo.airports_versions;

-- change column height of geo.airports from integer to bigint
ALTER TABLE geo.airports ALTER COLUMN height DROP DEFAULT;
ALTER TABLE geo.airports ALTER COLUMN height TYPE bigint USING height::bigint;
ALTER TABLE geo.airports ALTER COLUMN height SET DEFAULT (0);

-- change column height of geo.airports_history from integer to bigint
ALTER TABLE geo.airports_history ALTER COLUMN height TYPE bigint USING height::bigint;

-- create view geo.airports_versions over geo.airports
CREATE VIEW geo.airports_versions
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
  height,
  name
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
  height,
  name
FROM geo.airports_history;
COMMENT ON VIEW geo.airports_versions IS 'Versions of geo.airports: those that stand and those that were closed';
COMMENT ON COLUMN geo.airports_versions.valid_from IS 'Since when the version stood.';
COMMENT ON COLUMN geo.airports_versions.valid_to IS 'When the version was closed; empty while it stands.';
COMMENT ON COLUMN geo.airports_versions.operation IS 'What closed the version: UPDATE or DELETE; empty while it stands.';
COMMENT ON COLUMN geo.airports_versions.changed_by IS 'Who made this version: the subject of the request''s token, else its role, else the user. Set by the database.';
COMMENT ON COLUMN geo.airports_versions.changed_via IS 'The database user through which this version was made. Set by the database.';
COMMENT ON COLUMN geo.airports_versions.closed_by IS 'Who closed the version: the subject of the request''s token, else its role, else the user.';
COMMENT ON COLUMN geo.airports_versions.closed_via IS 'The database user through which the version was closed.';

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  CASE WHEN true THEN valid_from END AS valid_from,
  CASE WHEN true THEN changed_by END AS changed_by,
  CASE WHEN true THEN changed_via END AS changed_via,
  height,
  name
FROM geo.airports;
ALTER VIEW api.airports ALTER COLUMN height SET DEFAULT (0);
COMMENT ON COLUMN api.airports.valid_from IS 'Since when this version stands. Set by the database.';
COMMENT ON COLUMN api.airports.changed_by IS 'Who made this version: the subject of the request''s token, else its role, else the user. Set by the database.';
COMMENT ON COLUMN api.airports.changed_via IS 'The database user through which this version was made. Set by the database.';
GRANT SELECT ON api.airports TO reader;

-- create view api.airports_versions over geo.airports_versions
CREATE VIEW api.airports_versions
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
  height,
  name
FROM geo.airports_versions;
COMMENT ON VIEW api.airports_versions IS 'Versions of geo.airports: those that stand and those that were closed';
COMMENT ON COLUMN api.airports_versions.valid_from IS 'Since when the version stood.';
COMMENT ON COLUMN api.airports_versions.valid_to IS 'When the version was closed; empty while it stands.';
COMMENT ON COLUMN api.airports_versions.operation IS 'What closed the version: UPDATE or DELETE; empty while it stands.';
COMMENT ON COLUMN api.airports_versions.changed_by IS 'Who made this version: the subject of the request''s token, else its role, else the user. Set by the database.';
COMMENT ON COLUMN api.airports_versions.changed_via IS 'The database user through which this version was made. Set by the database.';
COMMENT ON COLUMN api.airports_versions.closed_by IS 'Who closed the version: the subject of the request''s token, else its role, else the user.';
COMMENT ON COLUMN api.airports_versions.closed_via IS 'The database user through which the version was closed.';
GRANT SELECT ON api.airports_versions TO reader;

-- replace function geo.airports_stamp
CREATE OR REPLACE FUNCTION geo.airports_stamp()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $function$
-- Sessions compile it anew when a type changes, as its text does: bigint, bigint, text
BEGIN
  IF current_user OPERATOR(pg_catalog.=) 'warehouse_owner'
     AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
     AND pg_catalog.current_setting('pgcraft.backfill', true) OPERATOR(pg_catalog.=) 'on' THEN
    RETURN NEW;
  END IF;
  IF pg_catalog.record_image_eq(
    ROW(NEW.id, NEW.height, NEW.name),
    ROW(OLD.id, OLD.height, OLD.name)
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

-- create function geo.airports_as_of
CREATE FUNCTION geo.airports_as_of(at timestamp with time zone)
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
  height,
  name
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
  height,
  name
FROM geo.airports_history
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at AND valid_to OPERATOR(pg_catalog.>) airports_as_of.at
$function$;
REVOKE ALL ON FUNCTION geo.airports_as_of(timestamp with time zone) FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_as_of(timestamp with time zone) IS 'The rows of geo.airports as they were at an instant';

-- create function api.airports_as_of
CREATE FUNCTION api.airports_as_of(at timestamp with time zone)
RETURNS SETOF api.airports
LANGUAGE sql STABLE
AS $function$
SELECT id, valid_from, changed_by, changed_via, height, name
FROM api.airports
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at
UNION ALL
SELECT id, valid_from, changed_by, changed_via, height, name
FROM api.airports_versions
WHERE valid_from OPERATOR(pg_catalog.<=) airports_as_of.at AND valid_to OPERATOR(pg_catalog.>) airports_as_of.at
$function$;
REVOKE ALL ON FUNCTION api.airports_as_of(timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.airports_as_of(timestamp with time zone) TO reader;
COMMENT ON FUNCTION api.airports_as_of(timestamp with time zone) IS 'The rows of api.airports as they were at an instant';
