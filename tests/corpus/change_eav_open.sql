-- drop view api.airports
DROP VIEW api.airports;

-- add column extra (jsonb) to geo.airports
ALTER TABLE geo.airports ADD COLUMN extra jsonb DEFAULT ('{}'::jsonb) NOT NULL;

-- add constraint airports_extra_check to geo.airports
ALTER TABLE geo.airports ADD CONSTRAINT airports_extra_check CHECK (jsonb_typeof(extra) = 'object');

-- create index airports_extra on geo.airports
CREATE INDEX airports_extra ON geo.airports USING gin (extra);

-- replace the query of view geo.airports_attributes
CREATE OR REPLACE VIEW geo.airports_attributes
WITH (security_invoker = false) AS
SELECT entity.id, held.attribute, held.value
FROM geo.airports AS entity
CROSS JOIN LATERAL (
  SELECT declared.attribute, declared.value FROM (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('icao', entity.icao::text)
  ) AS declared (attribute, value)
  WHERE NOT entity.extra ? declared.attribute
  UNION ALL
  SELECT given.key, coalesce(given.value #>> '{}', 'null') FROM jsonb_each(entity.extra) AS given
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
CROSS JOIN LATERAL (
  SELECT declared.attribute, declared.value FROM (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('icao', entity.icao::text)
  ) AS declared (attribute, value)
  WHERE NOT entity.extra ? declared.attribute
  UNION ALL
  SELECT given.key, coalesce(given.value #>> '{}', 'null') FROM jsonb_each(entity.extra) AS given
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
  log.id, log.attribute, CASE WHEN log.open THEN coalesce(log.value::jsonb #>> '{}', 'null') ELSE log.value END,
  log.valid_from, log.valid_to, log.changed_by, log.changed_via, log.closed_by, log.closed_via
FROM geo.airports_attribute_log AS log
WHERE log.value IS NOT NULL AND (log.open OR log.attribute = ANY (ARRAY['icao']::text[]));

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  CASE WHEN true THEN created_at END AS created_at,
  CASE WHEN true THEN created_by END AS created_by,
  CASE WHEN true THEN created_via END AS created_via,
  extra,
  icao
FROM geo.airports;
ALTER VIEW api.airports ALTER COLUMN extra SET DEFAULT ('{}'::jsonb);
COMMENT ON COLUMN api.airports.created_at IS 'Since when the row is there';
COMMENT ON COLUMN api.airports.created_by IS 'Who made the row';
COMMENT ON COLUMN api.airports.created_via IS 'Through which database user';
COMMENT ON COLUMN api.airports.extra IS 'Attributes that are not declared, by name';
GRANT SELECT ON api.airports TO reader;

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
    CASE WHEN ended.extra ? ended.attribute
      THEN (ended.extra -> ended.attribute)::pg_catalog.text
      ELSE CASE ended.attribute
      WHEN 'icao' THEN ended.icao::pg_catalog.text
    END COLLATE pg_catalog."default"
    END,
    ended.extra ? ended.attribute OR ended.attribute <> ALL (ARRAY['icao']),
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
        CASE WHEN old_row.icao IS DISTINCT FROM new_row.icao AND NOT old_row.extra ? 'icao' THEN 'icao' END
      ]::pg_catalog.text[], NULL) || CASE WHEN record_image_ne(ROW(old_row.extra), ROW(new_row.extra)) THEN ARRAY(
        SELECT key FROM jsonb_object_keys(old_row.extra || new_row.extra) AS key
        WHERE (old_row.extra -> key)::pg_catalog.text IS DISTINCT FROM (new_row.extra -> key)::pg_catalog.text
          AND NOT (old_row.extra ? key AND NOT new_row.extra ? key AND key = ANY (ARRAY['icao']) AND (
            (pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1 AND pg_catalog.current_setting('role') OPERATOR(pg_catalog.=) 'warehouse_owner') OR old_row.extra ->> key IS NOT DISTINCT FROM CASE key
      WHEN 'icao' THEN new_row.icao::pg_catalog.text
    END COLLATE pg_catalog."default"
          ))
      ) END) AS attribute
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
    CASE WHEN ended.extra ? ended.attribute
      THEN (ended.extra -> ended.attribute)::pg_catalog.text
      ELSE CASE ended.attribute
      WHEN 'icao' THEN ended.icao::pg_catalog.text
    END COLLATE pg_catalog."default"
    END,
    ended.extra ? ended.attribute OR ended.attribute <> ALL (ARRAY['icao']),
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
        CASE WHEN old_row.icao IS DISTINCT FROM NULL AND NOT old_row.extra ? 'icao' THEN 'icao' END
      ]::pg_catalog.text[], NULL) || ARRAY(SELECT jsonb_object_keys(old_row.extra))) AS attribute
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

-- create function geo.airports_move_attributes
CREATE FUNCTION geo.airports_move_attributes()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = ''
AS $function$
DECLARE
  declared constant pg_catalog.text[] := ARRAY['icao']::pg_catalog.text[];
  reserved constant pg_catalog.text[] := ARRAY['id', 'created_at', 'created_by', 'created_via', 'extra']::pg_catalog.text[];
  columns constant pg_catalog.text[] := ARRAY['icao'];
  held pg_catalog.jsonb := '{}';
  assigned pg_catalog.text[] := '{}';
  moved pg_catalog.jsonb;
  refused pg_catalog.text;
BEGIN
  IF jsonb_typeof(NEW.extra) IS DISTINCT FROM 'object' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    held := OLD.extra;
  END IF;
  IF NEW.extra <> held THEN
    -- Such a name could never be declared, and would not fit into the index of the log.
    SELECT key INTO refused
    FROM jsonb_object_keys(NEW.extra) AS key
    WHERE octet_length(key) > 63 AND NOT held ? key
    LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION USING
        ERRCODE = 'name_too_long',
        MESSAGE = format('an attribute of geo.airports has a name of at most 63 bytes, not %s…', left(refused, 40)),
        HINT = 'Name the attribute shorter.';
    END IF;
  END IF;
  IF NOT NEW.extra ?| (reserved || columns) THEN
    RETURN NEW;
  END IF;
  -- A column that is no longer declared, but still there, is not filled: it waits for its removal.
  SELECT given.key INTO refused
  FROM jsonb_each(NEW.extra) AS given
  WHERE given.key = ANY (reserved || columns) AND given.key <> ALL (declared)
    AND given.value IS DISTINCT FROM held -> given.key
  ORDER BY given.key
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING
      ERRCODE = 'invalid_parameter_value',
      MESSAGE = format('%s is a column of geo.airports that takes no value from extra', refused),
      HINT = 'Name the attribute otherwise.';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    assigned := array_remove(ARRAY[
      CASE WHEN record_image_ne(ROW(NEW.icao), ROW(OLD.icao)) THEN 'icao' END
    ]::pg_catalog.text[], NULL);
    -- Only a migration sends statements as the owner role; foreign keys act as that within a trigger.
    IF current_user = 'warehouse_owner' AND pg_trigger_depth() = 1 THEN
      held := '{}';
    END IF;
  END IF;
  SELECT jsonb_object_agg(given.key, given.value) INTO moved
  FROM jsonb_each(NEW.extra) AS given
  WHERE given.key = ANY (declared) AND given.key <> ALL (assigned) AND given.value IS DISTINCT FROM held -> given.key;
  IF moved IS NOT NULL THEN
    NEW := jsonb_populate_record(NEW, moved);
    assigned := assigned || ARRAY(SELECT jsonb_object_keys(moved));
  END IF;
  NEW.extra := NEW.extra - assigned;
  RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION geo.airports_move_attributes() FROM PUBLIC;
COMMENT ON FUNCTION geo.airports_move_attributes() IS 'Moves declared attributes of geo.airports from extra into their columns';

-- create trigger airports_move_attributes on geo.airports
CREATE TRIGGER airports_move_attributes
BEFORE INSERT OR UPDATE ON geo.airports
FOR EACH ROW
WHEN (NEW.extra <> '{}'::jsonb)
EXECUTE FUNCTION geo.airports_move_attributes();

-- comment on column extra of geo.airports
COMMENT ON COLUMN geo.airports.extra IS 'Attributes that are not declared, by name';
