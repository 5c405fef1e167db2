-- create schema api
CREATE SCHEMA api;

-- create schema geo
CREATE SCHEMA geo;

-- create table geo.airports with 9 columns
CREATE TABLE geo.airports (
  code text NOT NULL,
  runways smallint,
  elevation numeric(6,1),
  opened timestamp with time zone,
  "position" point,
  label text GENERATED ALWAYS AS (code || '!') STORED,
  created_at timestamp with time zone DEFAULT (clock_timestamp()) NOT NULL,
  created_by text DEFAULT (CASE WHEN current_setting('request.jwt.claims', true) <> '' THEN coalesce(current_setting('request.jwt.claims', true)::json ->> 'sub', current_setting('request.jwt.claims', true)::json ->> 'role', session_user) ELSE session_user END) NOT NULL,
  created_via text DEFAULT (session_user) NOT NULL,
  CONSTRAINT airports_pkey PRIMARY KEY (code),
  CONSTRAINT airports_runways_check CHECK (runways > 0)
);

-- create table geo.airports_attribute_log with 11 columns
CREATE TABLE geo.airports_attribute_log (
  code text NOT NULL,
  attribute text NOT NULL,
  value text,
  open boolean NOT NULL,
  valid_from timestamp with time zone NOT NULL,
  valid_to timestamp with time zone NOT NULL,
  operation text NOT NULL,
  changed_by text NOT NULL,
  changed_via text NOT NULL,
  closed_by text NOT NULL,
  closed_via text NOT NULL,
  CONSTRAINT airports_attribute_log_pkey PRIMARY KEY (code, attribute, valid_to)
);

-- create function geo.airports_attribute_text
CREATE FUNCTION geo.airports_attribute_text(value anyelement)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = ''
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET extra_float_digits = '1'
SET bytea_output = 'hex'
SET lc_monetary = 'C'
AS $function$
BEGIN
  RETURN CASE WHEN value IS DISTINCT FROM NULL THEN pg_catalog.format('%s', value) END;
END
$function$;
COMMENT ON FUNCTION geo.airports_attribute_text(anyelement) IS 'The text of an attribute of geo.airports, whatever the session is set to';

-- create view geo.airports_attributes over geo.airports
CREATE VIEW geo.airports_attributes
WITH (security_invoker = false) AS
SELECT entity.code, held.attribute, held.value
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('runways', entity.runways::text),
  ('elevation', entity.elevation::text),
  ('opened', geo.airports_attribute_text(entity.opened)),
  ('position', geo.airports_attribute_text(entity."position"))
) AS held (attribute, value)
WHERE held.value IS NOT NULL;
COMMENT ON VIEW geo.airports_attributes IS 'Attributes of geo.airports that have a value, one a row';
COMMENT ON COLUMN geo.airports_attributes.code IS 'ICAO code';
COMMENT ON COLUMN geo.airports_attributes.attribute IS 'Name of the attribute';
COMMENT ON COLUMN geo.airports_attributes.value IS 'Its value as text';

-- create view geo.airports_attribute_history over geo.airports
CREATE VIEW geo.airports_attribute_history
WITH (security_invoker = false) AS
SELECT
  entity.code, held.attribute, held.value,
  coalesce(entry.valid_to, entity.created_at) AS valid_from, NULL::timestamp with time zone AS valid_to,
  coalesce(entry.closed_by, entity.created_by) AS changed_by,
  coalesce(entry.closed_via, entity.created_via) AS changed_via,
  NULL::text AS closed_by, NULL::text AS closed_via
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('runways', entity.runways::text),
  ('elevation', entity.elevation::text),
  ('opened', geo.airports_attribute_text(entity.opened)),
  ('position', geo.airports_attribute_text(entity."position"))
) AS held (attribute, value)
LEFT JOIN LATERAL (
  SELECT log.valid_to, log.closed_by, log.closed_via
  FROM geo.airports_attribute_log AS log
  WHERE log.code = entity.code AND log.attribute = held.attribute AND log.valid_to > entity.created_at
  ORDER BY log.valid_to DESC
  LIMIT 1
) AS entry ON true
WHERE held.value IS NOT NULL
UNION ALL
SELECT
  log.code, log.attribute, log.value,
  log.valid_from, log.valid_to, log.changed_by, log.changed_via, log.closed_by, log.closed_via
FROM geo.airports_attribute_log AS log
WHERE log.value IS NOT NULL AND log.attribute = ANY (ARRAY['runways', 'elevation', 'opened', 'position']::text[]);
COMMENT ON VIEW geo.airports_attribute_history IS 'Values that attributes of geo.airports have and had, one a row';
COMMENT ON COLUMN geo.airports_attribute_history.code IS 'ICAO code';
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
  code,
  runways,
  elevation,
  opened,
  "position",
  label
FROM geo.airports;
COMMENT ON VIEW api.airports IS 'Facts about airports';
COMMENT ON COLUMN api.airports.created_at IS 'Since when the row is there';
COMMENT ON COLUMN api.airports.created_by IS 'Who made the row';
COMMENT ON COLUMN api.airports.created_via IS 'Through which database user';
COMMENT ON COLUMN api.airports.code IS 'ICAO code';
GRANT SELECT ON api.airports TO reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON api.airports TO writer;

-- create view api.airports_attributes over geo.airports_attributes
CREATE VIEW api.airports_attributes
WITH (security_invoker = false) AS
SELECT
  code,
  attribute,
  value
FROM geo.airports_attributes;
COMMENT ON VIEW api.airports_attributes IS 'Attributes of geo.airports that have a value, one a row';
COMMENT ON COLUMN api.airports_attributes.code IS 'ICAO code';
COMMENT ON COLUMN api.airports_attributes.attribute IS 'Name of the attribute';
COMMENT ON COLUMN api.airports_attributes.value IS 'Its value as text';
GRANT SELECT ON api.airports_attributes TO reader;
GRANT SELECT ON api.airports_attributes TO writer;

-- create view api.airports_attribute_history over geo.airports_attribute_history
CREATE VIEW api.airports_attribute_history
WITH (security_invoker = false) AS
SELECT
  code,
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
COMMENT ON COLUMN api.airports_attribute_history.code IS 'ICAO code';
COMMENT ON COLUMN api.airports_attribute_history.attribute IS 'Name of the attribute';
COMMENT ON COLUMN api.airports_attribute_history.value IS 'Its value as text';
COMMENT ON COLUMN api.airports_attribute_history.valid_from IS 'Since when it had the value';
COMMENT ON COLUMN api.airports_attribute_history.valid_to IS 'Until when it had the value; empty while it stands';
COMMENT ON COLUMN api.airports_attribute_history.changed_by IS 'Who gave it the value';
COMMENT ON COLUMN api.airports_attribute_history.changed_via IS 'Through which database user';
COMMENT ON COLUMN api.airports_attribute_history.closed_by IS 'Who took the value away; empty while it stands';
COMMENT ON COLUMN api.airports_attribute_history.closed_via IS 'Through which database user';
GRANT SELECT ON api.airports_attribute_history TO reader;
GRANT SELECT ON api.airports_attribute_history TO writer;

-- create function geo.airports_settle_insert
CREATE FUNCTION geo.airports_settle_insert()
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
  WHERE past_row.code = NEW.code AND past_row.valid_to > NEW.created_at;
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
  WHERE past_row.code = NEW.code AND past_row.valid_from = NEW.created_at
    AND past_row.valid_to > statement_timestamp();
  settle.begun := coalesce(
    settle.changed - interval '1 microsecond',
    greatest(clock_timestamp(), settle.ended)
  );
  -- The beginning tells the row from the one that had its key, which stricter levels still see.
  UPDATE geo.airports AS inserted
  SET created_at = settle.begun, created_by = settle.actor, created_via = session_user
  WHERE inserted.code = NEW.code AND inserted.created_at = NEW.created_at;
  IF settle.changed IS NOT NULL THEN
    UPDATE geo.airports_attribute_log AS past_row
    SET valid_from = settle.begun, changed_by = settle.actor, changed_via = session_user
    WHERE past_row.code = NEW.code AND past_row.valid_from = NEW.created_at
    AND past_row.valid_to > statement_timestamp();
  END IF;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_settle_insert() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_settle_insert() IS 'Begins a row of geo.airports after the one that had its key, where its INSERT waited for that';

-- create function geo.airports_keep_creation
CREATE FUNCTION geo.airports_keep_creation()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = ''
AS $function$
BEGIN
  NEW.created_at := OLD.created_at;
  NEW.created_by := OLD.created_by;
  NEW.created_via := OLD.created_via;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_keep_creation() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_keep_creation() IS 'Keeps who made a row of geo.airports and when';

-- create function geo.airports_log_update
CREATE FUNCTION geo.airports_log_update()
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
    code, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    ended.code,
    ended.attribute,
    CASE ended.attribute
      WHEN 'runways' THEN ended.runways::pg_catalog.text
      WHEN 'elevation' THEN ended.elevation::pg_catalog.text
      WHEN 'opened' THEN ended.opened::pg_catalog.text
      WHEN 'position' THEN ended."position"::pg_catalog.text
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
        CASE WHEN old_row.runways IS DISTINCT FROM new_row.runways THEN 'runways' END,
        CASE WHEN numeric_send(old_row.elevation) IS DISTINCT FROM numeric_send(new_row.elevation) THEN 'elevation' END,
        CASE WHEN old_row.opened IS DISTINCT FROM new_row.opened THEN 'opened' END,
        CASE WHEN record_image_ne(ROW(old_row."position"), ROW(new_row."position")) THEN 'position' END
      ]::pg_catalog.text[], NULL)) AS attribute
    FROM old_rows AS old_row
    JOIN new_rows AS new_row ON new_row.code = old_row.code
  ) AS ended
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM geo.airports_attribute_log AS log
    WHERE log.code = ended.code AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
    ORDER BY log.valid_to DESC
    LIMIT 1
  ) AS entry ON true;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_log_update() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_log_update() IS 'Logs the values of geo.airports that an UPDATE ends';

-- create function geo.airports_log_delete
CREATE FUNCTION geo.airports_log_delete()
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
    code, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    ended.code,
    ended.attribute,
    CASE ended.attribute
      WHEN 'runways' THEN ended.runways::pg_catalog.text
      WHEN 'elevation' THEN ended.elevation::pg_catalog.text
      WHEN 'opened' THEN ended.opened::pg_catalog.text
      WHEN 'position' THEN ended."position"::pg_catalog.text
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
        CASE WHEN old_row.runways IS DISTINCT FROM NULL THEN 'runways' END,
        CASE WHEN old_row.elevation IS DISTINCT FROM NULL THEN 'elevation' END,
        CASE WHEN old_row.opened IS DISTINCT FROM NULL THEN 'opened' END,
        CASE WHEN old_row."position" IS DISTINCT FROM NULL THEN 'position' END
      ]::pg_catalog.text[], NULL)) AS attribute
    FROM old_rows AS old_row
  ) AS ended
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM geo.airports_attribute_log AS log
    WHERE log.code = ended.code AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
    ORDER BY log.valid_to DESC
    LIMIT 1
  ) AS entry ON true
  LEFT JOIN LATERAL (
    SELECT present.created_at
    FROM geo.airports AS present
    WHERE present.code = ended.code
    LIMIT 1
  ) AS again ON true;
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_log_delete() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_log_delete() IS 'Logs the values of geo.airports that a DELETE ends';

-- create function geo.airports_guard
CREATE FUNCTION geo.airports_guard()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = ''
AS $function$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'feature_not_supported',
      MESSAGE = 'geo.airports cannot be truncated: its past would not show what became of the rows',
      HINT = 'Use DELETE, which records each row.';
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'feature_not_supported',
    MESSAGE = 'the key of a row of geo.airports never changes: its past is kept under it',
    HINT = 'Delete the row and insert one with the new key.';
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_guard() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_guard() IS 'Refuses what would break the past of geo.airports';

-- create function geo.airports_attribute_log_guard
CREATE FUNCTION geo.airports_attribute_log_guard()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
  IF current_user OPERATOR(pg_catalog.=) 'warehouse_owner' AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1
     AND (TG_OP OPERATOR(pg_catalog.=) 'INSERT' OR TG_OP OPERATOR(pg_catalog.=) 'UPDATE') THEN
    RETURN NULL;
  END IF;
  IF current_user OPERATOR(pg_catalog.=) 'warehouse_owner' AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
     AND pg_catalog.current_setting('pgcraft.backfill', true) OPERATOR(pg_catalog.=) 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'insufficient_privilege',
    MESSAGE = 'geo.airports_attribute_log is written by geo.airports alone: the past does not change',
    HINT = 'Write to geo.airports; what that ends is recorded by itself.';
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_attribute_log_guard() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_attribute_log_guard() IS 'Refuses to change the past of geo.airports';

-- create function geo.airports_attributes_as_of
CREATE FUNCTION geo.airports_attributes_as_of(at timestamp with time zone)
RETURNS SETOF geo.airports_attributes
LANGUAGE sql STABLE
AS $function$
SELECT held.code, held.attribute, held.value
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
SELECT held.code, held.attribute, held.value
FROM api.airports_attribute_history AS held
WHERE held.valid_from OPERATOR(pg_catalog.<=) airports_attributes_as_of.at
  AND (held.valid_to OPERATOR(pg_catalog.>) airports_attributes_as_of.at OR held.valid_to IS NULL)
$function$;
REVOKE ALL ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) TO reader;
GRANT EXECUTE ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) TO writer;
COMMENT ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) IS 'Attributes of geo.airports that had a value at an instant';

-- create trigger airports_settle_insert on geo.airports
CREATE TRIGGER airports_settle_insert
AFTER INSERT ON geo.airports
FOR EACH ROW
WHEN (NEW.created_at NOT BETWEEN clock_timestamp() - interval '50 microseconds' AND clock_timestamp() OR NEW.created_via <> session_user)
EXECUTE FUNCTION geo.airports_settle_insert();

-- create trigger airports_keep_creation on geo.airports
CREATE TRIGGER airports_keep_creation
BEFORE UPDATE OF created_at, created_by, created_via ON geo.airports
FOR EACH ROW
WHEN (pg_trigger_depth() = 0 OR current_user <> 'warehouse_owner')
EXECUTE FUNCTION geo.airports_keep_creation();

-- create trigger airports_log_update on geo.airports
CREATE TRIGGER airports_log_update
AFTER UPDATE ON geo.airports
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT
EXECUTE FUNCTION geo.airports_log_update();

-- create trigger airports_log_delete on geo.airports
CREATE TRIGGER airports_log_delete
AFTER DELETE ON geo.airports
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT
EXECUTE FUNCTION geo.airports_log_delete();

-- create trigger airports_keep_key on geo.airports
CREATE TRIGGER airports_keep_key
AFTER UPDATE OF code ON geo.airports
FOR EACH ROW
WHEN (OLD.code IS DISTINCT FROM NEW.code)
EXECUTE FUNCTION geo.airports_guard();

-- create trigger airports_refuse_truncate on geo.airports
CREATE TRIGGER airports_refuse_truncate
BEFORE TRUNCATE ON geo.airports
FOR EACH STATEMENT
EXECUTE FUNCTION geo.airports_guard();

-- create trigger airports_attribute_log_guard on geo.airports_attribute_log
CREATE TRIGGER airports_attribute_log_guard
BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON geo.airports_attribute_log
FOR EACH STATEMENT
EXECUTE FUNCTION geo.airports_attribute_log_guard();

-- comment on table geo.airports
COMMENT ON TABLE geo.airports IS 'Facts about airports';

-- comment on column code of geo.airports
COMMENT ON COLUMN geo.airports.code IS 'ICAO code';

-- comment on column created_at of geo.airports
COMMENT ON COLUMN geo.airports.created_at IS 'Since when the row is there';

-- comment on column created_by of geo.airports
COMMENT ON COLUMN geo.airports.created_by IS 'Who made the row';

-- comment on column created_via of geo.airports
COMMENT ON COLUMN geo.airports.created_via IS 'Through which database user';

-- comment on table geo.airports_attribute_log
COMMENT ON TABLE geo.airports_attribute_log IS 'Values that attributes of geo.airports had and have no longer';

-- comment on column code of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.code IS 'ICAO code';

-- comment on column attribute of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.attribute IS 'Name of the attribute';

-- comment on column value of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.value IS 'The value it had, as text; NULL where it had none';

-- comment on column open of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.open IS 'Whether it was not declared: the value is JSON then, from the column extra';

-- comment on column valid_from of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.valid_from IS 'Since when it had the value';

-- comment on column valid_to of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.valid_to IS 'Until when it had the value';

-- comment on column operation of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.operation IS 'What ended that: UPDATE or DELETE';

-- comment on column changed_by of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.changed_by IS 'Who gave it the value';

-- comment on column changed_via of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.changed_via IS 'Through which database user';

-- comment on column closed_by of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.closed_by IS 'Who took the value away';

-- comment on column closed_via of geo.airports_attribute_log
COMMENT ON COLUMN geo.airports_attribute_log.closed_via IS 'Through which database user';
