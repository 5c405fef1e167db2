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

-- change column elevation of geo.airports from integer to bigint
ALTER TABLE geo.airports ALTER COLUMN elevation TYPE bigint USING elevation::bigint;

-- create view geo.airports_attributes over geo.airports
CREATE VIEW geo.airports_attributes
WITH (security_invoker = false) AS
SELECT entity.id, held.attribute, held.value
FROM geo.airports AS entity
CROSS JOIN LATERAL (VALUES
  (NULL::text, NULL::text COLLATE pg_catalog."default"),
  ('elevation', entity.elevation::text)
) AS held (attribute, value)
WHERE held.value IS NOT NULL;
COMMENT ON VIEW geo.airports_attributes IS 'Attributes of geo.airports that have a value, one a row';
COMMENT ON COLUMN geo.airports_attributes.attribute IS 'Name of the attribute';
COMMENT ON COLUMN geo.airports_attributes.value IS 'Its value as text';

-- create view geo.airports_attribute_history over geo.airports
CREATE VIEW geo.airports_attribute_history
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
WHERE log.value IS NOT NULL AND log.attribute = ANY (ARRAY['elevation']::text[]);
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
  id,
  CASE WHEN true THEN created_at END AS created_at,
  CASE WHEN true THEN created_by END AS created_by,
  CASE WHEN true THEN created_via END AS created_via,
  elevation
FROM geo.airports;
COMMENT ON COLUMN api.airports.created_at IS 'Since when the row is there';
COMMENT ON COLUMN api.airports.created_by IS 'Who made the row';
COMMENT ON COLUMN api.airports.created_via IS 'Through which database user';
GRANT SELECT ON api.airports TO reader;

-- create view api.airports_attributes over geo.airports_attributes
CREATE VIEW api.airports_attributes
WITH (security_invoker = false) AS
SELECT
  id,
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
  id,
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

-- create function geo.airports_attributes_as_of
CREATE FUNCTION geo.airports_attributes_as_of(at timestamp with time zone)
RETURNS SETOF geo.airports_attributes
LANGUAGE sql STABLE
AS $function$
SELECT held.id, held.attribute, held.value
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
SELECT held.id, held.attribute, held.value
FROM api.airports_attribute_history AS held
WHERE held.valid_from OPERATOR(pg_catalog.<=) airports_attributes_as_of.at
  AND (held.valid_to OPERATOR(pg_catalog.>) airports_attributes_as_of.at OR held.valid_to IS NULL)
$function$;
REVOKE ALL ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) TO reader;
COMMENT ON FUNCTION api.airports_attributes_as_of(timestamp with time zone) IS 'Attributes of geo.airports that had a value at an instant';
