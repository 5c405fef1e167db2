-- drop trigger airports_keep_key of geo.airports
DROP TRIGGER airports_keep_key ON geo.airports;

-- drop function geo.airports_attributes_as_of
DROP FUNCTION geo.airports_attributes_as_of(timestamp with time zone);

-- drop function api.airports_attributes_as_of
DROP FUNCTION api.airports_attributes_as_of(timestamp with time zone);

-- drop view api.airports_attribute_history
DROP VIEW api.airports_attribute_history;

-- drop view api.airports_attributes
DROP VIEW api.airports_attributes;

-- drop view api.airports
DROP VIEW api.airports;

-- drop view geo.airports_attribute_history
DROP VIEW geo.airports_attribute_history;

-- drop view geo.airports_attributes
DROP VIEW geo.airports_attributes;

-- rename column code of geo.airports to ident
ALTER TABLE geo.airports RENAME COLUMN code TO ident;

-- rename column code of geo.airports_attribute_log to ident
ALTER TABLE geo.airports_attribute_log RENAME COLUMN code TO ident;

-- rename attribute code to ident in geo.airports_attribute_log
SELECT pg_catalog.set_config('pgcraft.backfill', 'on', true);
UPDATE geo.airports_attribute_log SET attribute = 'ident' WHERE attribute = 'code';
SELECT pg_catalog.set_config('pgcraft.backfill', '', true);

-- create view geo.airports_attributes over geo.airports
CREATE VIEW geo.airports_attributes
WITH (security_invoker = false) AS
SELECT entity.ident, held.attribute, held.value
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('icao', entity.icao::text)
) AS held (attribute, value)
WHERE held.value IS NOT NULL;
COMMENT ON VIEW geo.airports_attributes IS 'Attributes of geo.airports that have a value, one a row';
COMMENT ON COLUMN geo.airports_attributes.attribute IS 'Name of the attribute';
COMMENT ON COLUMN geo.airports_attributes.value IS 'Its value as text';

-- create view geo.airports_attribute_history over geo.airports
CREATE VIEW geo.airports_attribute_history
WITH (security_invoker = false) AS
SELECT
  entity.ident, held.attribute, held.value,
  coalesce(entry.valid_to, entity.created_at) AS valid_from, NULL::timestamp with time zone AS valid_to,
  coalesce(entry.closed_by, entity.created_by) AS changed_by,
  coalesce(entry.closed_via, entity.created_via) AS changed_via,
  NULL::text AS closed_by, NULL::text AS closed_via
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('icao', entity.icao::text)
) AS held (attribute, value)
LEFT JOIN LATERAL (
  SELECT log.valid_to, log.closed_by, log.closed_via
  FROM geo.airports_attribute_log AS log
  WHERE log.ident = entity.ident AND log.attribute = held.attribute AND log.valid_to > entity.created_at
  ORDER BY log.valid_to DESC
  LIMIT 1
) AS entry ON true
WHERE held.value IS NOT NULL
UNION ALL
SELECT
  log.ident, log.attribute, log.value,
  log.valid_from, log.valid_to, log.changed_by, log.changed_via, log.closed_by, log.closed_via
FROM geo.airports_attribute_log AS log
WHERE log.value IS NOT NULL AND log.attribute = ANY (ARRAY['icao']::text[]);
COMMENT ON VIEW geo.airports_attribute_history IS 'Values that attributes of geo.airports have and had, one a row';
COMMENT ON COLUMN geo.airports_attribute_history.attribute IS 'Name of the attribute';
COMMENT ON COLUMN geo.airports_attribute_history.value IS 'Its value as text';
COMMENT ON COLUMN geo.airports_attribute_history.valid_from IS 'Since when it had the value';
COMMENT ON COLUMN geo.airports_attribute_history.valid_to IS 'Until when it had the value; empty while it stands';
COMMENT ON COLUMN geo.airports_attribute_history.changed_by IS 'Who gave it the value';
COMMENT ON COLUMN geo.airports_attribute_history.changed_via IS 'Through which database user';
COMMENT ON COLUMN geo.airports_attribute_history.closed_by IS 'Who took the value away; empty while it stands';
COMMENT ON COLUMN geo.airports_attribute_history.closed_via IS 'Through which database user';

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  CASE WHEN true THEN created_at END AS created_at,
  CASE WHEN true THEN created_by END AS created_by,
  CASE WHEN true THEN created_via END AS created_via,
  ident,
  icao
FROM geo.airports;
COMMENT ON COLUMN api.airports.created_at IS 'Since when the row is there';
COMMENT ON COLUMN api.airports.created_by IS 'Who made the row';
COMMENT ON COLUMN api.airports.created_via IS 'Through which database user';
GRANT SELECT ON api.airports TO reader;

-- create view api.airports_attributes over geo.airports_attributes
CREATE VIEW api.airports_attributes
WITH (security_invoker = false) AS
SELECT
  ident,
  attribute,
  value
FROM geo.airports_attributes;
COMMENT ON VIEW api.airports_attributes IS 'Attributes of geo.airports that have a value, one a row';
COMMENT ON COLUMN api.airports_attributes.attribute IS 'Name of the attribute';
COMMENT ON COLUMN api.airports_attributes.value IS 'Its value as text';
GRANT SELECT ON api.airports_attributes TO reader;

-- create view api.airports_attribute_history over geo.airports_attribute_history
CREATE VIEW api.airports_attribute_history
WITH (security_invoker = false) AS
SELECT
  ident,
  attribute,
  value,
  valid_from,
  valid_to,
  changed_by,
  changed_via,
  closed_by,
  closed_via
FROM geo.airports_attribute_history;
COMMENT ON VIEW api.airports_attribute_history IS 'Values that attributes of geo.airports have and had, one a row';
COMMENT ON COLUMN api.airports_attribute_history.attribute IS 'Name of the attribute';
COMMENT ON COLUMN api.airports_attribute_history.value IS 'Its value as text';
COMMENT ON COLUMN api.airports_attribute_history.valid_from IS 'Since when it had the value';
COMMENT ON COLUMN api.airports_attribute_history.valid_to IS 'Until when it had the value; empty while it stands';
COMMENT ON COLUMN api.airports_attribute_history.changed_by IS 'Who gave it the value';
COMMENT ON COLUMN api.airports_attribute_history.changed_via IS 'Through which database user';
COMMENT ON COLUMN api.airports_attribute_history.closed_by IS 'Who took the value away; empty while it stands';
COMMENT ON COLUMN api.airports_attribute_history.closed_via IS 'Through which database user';
GRANT SELECT ON api.airports_attribute_history TO reader;

-- replace function geo.airports_settle_insert
CREATE OR REPLACE FUNCTION geo.airports_settle_insert()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
<<settle>>
DECLARE
  ended timestamp with time zone;
  changed timestamp with time zone;
  begun timestamp with time zone;
  actor pg_catalog.text;
BEGIN
  -- The row was stamped before it waited for the one that had its key; that one may have ended later.
  SELECT max(past_row.valid_to) INTO settle.ended
  FROM geo.airports_attribute_log AS past_row
  WHERE past_row.ident = NEW.ident AND past_row.valid_to > NEW.created_at;
  -- Only READ COMMITTED sees what was committed meanwhile: elsewhere the row begins now, whatever ended. A stamp of
  -- another time than the statement's, or of another session, is not the database's.
  IF settle.ended IS NULL
     AND current_setting('transaction_isolation') = 'read committed'
     AND NEW.created_at BETWEEN statement_timestamp() AND clock_timestamp()
     AND NEW.created_via = session_user
  THEN
    RETURN NULL;
  END IF;
  settle.actor := CASE WHEN pg_catalog.current_setting('request.jwt.claims', true) OPERATOR(pg_catalog.<>) ''
    THEN coalesce(
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'sub',
      pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.json OPERATOR(pg_catalog.->>) 'role',
      session_user
    )
    ELSE session_user
  END;
  -- What the statement itself has changed already, in another trigger, began just before that.
  SELECT min(past_row.valid_to) INTO settle.changed
  FROM geo.airports_attribute_log AS past_row
  WHERE past_row.ident = NEW.ident AND past_row.valid_from = NEW.created_at
    AND past_row.valid_to > statement_timestamp();
  settle.begun := coalesce(
    settle.changed - interval '1 microsecond',
    greatest(clock_timestamp(), settle.ended)
  );
  -- The beginning tells the row from the one that had its key, which stricter levels still see.
  UPDATE geo.airports AS inserted
  SET created_at = settle.begun, created_by = settle.actor, created_via = session_user
  WHERE inserted.ident = NEW.ident AND inserted.created_at = NEW.created_at;
  IF settle.changed IS NOT NULL THEN
    UPDATE geo.airports_attribute_log AS past_row
    SET valid_from = settle.begun, changed_by = settle.actor, changed_via = session_user
    WHERE past_row.ident = NEW.ident AND past_row.valid_from = NEW.created_at
    AND past_row.valid_to > statement_timestamp();
  END IF;
  RETURN NULL;
END
$function$;

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
    ident, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    ended.ident,
    ended.attribute,
    CASE ended.attribute
      WHEN 'icao' THEN ended.icao::pg_catalog.text
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
        CASE WHEN old_row.icao IS DISTINCT FROM new_row.icao THEN 'icao' END
      ]::pg_catalog.text[], NULL)) AS attribute
    FROM old_rows AS old_row
    JOIN new_rows AS new_row ON new_row.ident = old_row.ident
  ) AS ended
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM geo.airports_attribute_log AS log
    WHERE log.ident = ended.ident AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
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
    ident, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    ended.ident,
    ended.attribute,
    CASE ended.attribute
      WHEN 'icao' THEN ended.icao::pg_catalog.text
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
        CASE WHEN old_row.icao IS DISTINCT FROM NULL THEN 'icao' END
      ]::pg_catalog.text[], NULL)) AS attribute
    FROM old_rows AS old_row
  ) AS ended
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM geo.airports_attribute_log AS log
    WHERE log.ident = ended.ident AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
    ORDER BY log.valid_to DESC
    LIMIT 1
  ) AS entry ON true
  LEFT JOIN LATERAL (
    SELECT present.created_at
    FROM geo.airports AS present
    WHERE present.ident = ended.ident
    LIMIT 1
  ) AS again ON true;
  RETURN NULL;
END
$function$;

-- create function geo.airports_attributes_as_of
CREATE FUNCTION geo.airports_attributes_as_of(at timestamp with time zone)
RETURNS SETOF geo.airports_attributes
LANGUAGE sql STABLE
AS $function$
SELECT held.ident, held.attribute, held.value
FROM geo.airports_attribute_history AS held
WHERE held.valid_from OPERATOR(pg_catalog.<=) airports_attributes_as_of.at
  AND (held.valid_to OPERATOR(pg_catalog.>) airports_attributes_as_of.at OR held.valid_to IS NULL)
$function$;
REVOKE ALL ON FUNCTION geo.airports_attributes_as_of(timestamp with time zone) FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_attributes_as_of(timestamp with time zone) IS 'Attributes of geo.airports that had a value at an instant';

-- create function api.airports_attributes_as_of
CREATE FUNCTION api.airports_attributes_as_of(at timestamp with time zone)
RETURNS SETOF api.airports_attributes
LANGUAGE sql STABLE
AS $function$
SELECT held.ident, held.attribute, held.value
FROM api.airports_attribute_history AS held
WHERE held.valid_from OPERATOR(pg_catalog.<=) airports_attributes_as_of.at
  AND (held.valid_to OPERATOR(pg_catalog.>) airports_attributes_as_of.at OR held.valid_to IS NULL)
$function$;
REVOKE ALL ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) TO reader;
COMMENT ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) IS 'Attributes of geo.airports that had a value at an instant';

-- create trigger airports_keep_key on geo.airports
CREATE TRIGGER airports_keep_key
AFTER UPDATE OF ident ON geo.airports
FOR EACH ROW
WHEN (OLD.ident IS DISTINCT FROM NEW.ident)
EXECUTE FUNCTION geo.airports_guard();
