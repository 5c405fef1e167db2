-- create schema geo
CREATE SCHEMA geo;

-- create table geo.subdivisions with 2 columns
CREATE TABLE geo.subdivisions (
  code text NOT NULL,
  country character(2) NOT NULL,
  CONSTRAINT subdivisions_pkey PRIMARY KEY (country, code)
);
