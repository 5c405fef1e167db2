-- drop view api.airports
DROP VIEW api.airports;

-- drop generated column feet of geo.airports, to compute it anew
ALTER TABLE geo.airports DROP COLUMN feet;

-- change column height of geo.airports from integer to bigint
ALTER TABLE geo.airports ALTER COLUMN height DROP DEFAULT;
ALTER TABLE geo.airports ALTER COLUMN height TYPE bigint USING height::bigint;
ALTER TABLE geo.airports ALTER COLUMN height SET DEFAULT (0);

-- compute column feet of geo.airports as height * 3.28
ALTER TABLE geo.airports ADD COLUMN feet numeric GENERATED ALWAYS AS (height * 3.28) STORED;

-- create view api.airports over geo.airports
CREATE VIEW api.airports
WITH (security_invoker = false) AS
SELECT
  id,
  height,
  feet
FROM geo.airports;
ALTER VIEW api.airports ALTER COLUMN height SET DEFAULT (0);
