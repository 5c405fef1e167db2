"""The bulk queries of pg_catalog, one statement a subject; all run under `search_path = pg_catalog`.

Each returns all objects of its subject in the schemas (`%(schemas)s`, an array of names), or those that hang on
relations, or are functions, of some names (`%(names)s`, null for all), so that reading costs the same few round trips
whatever the database holds. None takes a lock beyond what Postgres's own rendering functions take, and none reads a
table's file: a migration that holds a table elsewhere delays only the reading of that table's views, and of functions
whose SQL Postgres keeps parsed.
"""

from __future__ import annotations

SERVER = """
SELECT current_setting('server_version_num')::int,
       current_database(),
       session_user,
       (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
"""

SCHEMAS = """
SELECT n.nspname, pg_get_userbyid(n.nspowner)
  FROM pg_namespace n
 WHERE n.nspname = ANY (%(schemas)s)
"""

# Where an ACL is null the default applies, which for schemas, relations and columns gives nothing to anybody but the
# owner; so null ACLs need no expansion by acldefault(). Those of functions do.
SCHEMA_GRANTS = """
SELECT DISTINCT n.nspname, coalesce(r.rolname, 'PUBLIC'), acl.privilege_type, '', acl.is_grantable
  FROM pg_namespace n
 CROSS JOIN LATERAL aclexplode(n.nspacl) AS acl
  LEFT JOIN pg_roles r ON r.oid = acl.grantee
 WHERE n.nspname = ANY (%(schemas)s)
   AND acl.grantee <> n.nspowner
"""

# A membership may have several grantors, and from 16 on an administrator of a role need be neither heir nor able to
# become it. The columns that say so do not exist in 15: there membership is both.
ROLES = """
SELECT r.rolname, r.rolcanlogin, r.rolinherit, r.rolsuper, r.rolcreaterole, shobj_description(r.oid, 'pg_authid'),
       ARRAY(SELECT DISTINCT pg_get_userbyid(m.roleid)::text
               FROM pg_auth_members m
              CROSS JOIN LATERAL to_jsonb(m) AS options
              WHERE m.member = r.oid
                AND (coalesce((options ->> 'set_option')::boolean, true)
                     OR coalesce((options ->> 'inherit_option')::boolean, true))
              ORDER BY 1)
  FROM pg_roles r
 WHERE r.rolname = ANY (%(roles)s)
"""

RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner),
       c.reltuples, c.relpages::bigint * current_setting('block_size')::bigint,
       d.description, c.relrowsecurity, c.reloptions,
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d
    ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
"""

COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_get_expr(def.adbin, def.adrelid), a.attidentity <> '', a.attgenerated,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
       d.description
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef def ON def.adrelid = a.attrelid AND def.adnum = a.attnum
  LEFT JOIN pg_description d
    ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
   AND c.relkind IN ('r', 'p', 'v')
   AND a.attnum > 0
   AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""

# Not-null constraints are rows of their own from 18 on ('n'); they are read as `nullable` of the column.
CONSTRAINTS = """
SELECT con.conrelid, con.conname, con.contype, pg_get_constraintdef(con.oid), con.convalidated, d.description
  FROM pg_constraint con
  JOIN pg_class c ON c.oid = con.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d
    ON d.classoid = 'pg_constraint'::regclass AND d.objoid = con.oid
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
   AND c.relkind IN ('r', 'p')
   AND con.contype IN ('p', 'u', 'c', 'f', 'x')
 ORDER BY con.conrelid, con.conname
"""

INDEXES = """
SELECT i.indrelid, ic.relname, pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready, d.description
  FROM pg_index i
  JOIN pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint con
    ON con.conrelid = i.indrelid AND con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_description d
    ON d.classoid = 'pg_class'::regclass AND d.objoid = i.indexrelid AND d.objsubid = 0
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
   AND c.relkind IN ('r', 'p')
   AND con.oid IS NULL
 ORDER BY i.indrelid, ic.relname
"""

TRIGGERS = """
SELECT t.tgrelid, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled, d.description
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_description d
    ON d.classoid = 'pg_trigger'::regclass AND d.objoid = t.oid
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
   AND NOT t.tgisinternal
 ORDER BY t.tgrelid, t.tgname
"""

# Of a partition's triggers, those that come from its parent are rendered there.
PARTITIONS = """
SELECT i.inhparent, p.relname, pg_get_expr(p.relpartbound, p.oid),
       (SELECT jsonb_agg(jsonb_build_array(t.tgname, pg_get_triggerdef(t.oid), t.tgenabled,
                                           obj_description(t.oid, 'pg_trigger'))
                         ORDER BY t.tgname)
          FROM pg_trigger t
         WHERE t.tgrelid = p.oid AND NOT t.tgisinternal AND t.tgparentid = 0)
  FROM pg_inherits i
  JOIN pg_class p ON p.oid = i.inhrelid
  JOIN pg_class c ON c.oid = i.inhparent
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
   AND c.relkind = 'p'
   AND NOT i.inhdetachpending
 ORDER BY i.inhparent, p.relname
"""

RELATION_GRANTS = """
SELECT DISTINCT grants.relation, coalesce(r.rolname, 'PUBLIC'), grants.privilege_type, grants.attname,
       grants.is_grantable
  FROM (SELECT c.oid AS relation, c.relowner, '' AS attname, acl.*
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
         WHERE n.nspname = ANY (%(schemas)s)
           AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
        UNION ALL
        SELECT c.oid, c.relowner, a.attname, acl.*
          FROM pg_attribute a
          JOIN pg_class c ON c.oid = a.attrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
         WHERE n.nspname = ANY (%(schemas)s)
           AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
           AND a.attacl IS NOT NULL
           AND NOT a.attisdropped) AS grants
  LEFT JOIN pg_roles r ON r.oid = grants.grantee
 WHERE grants.grantee <> grants.relowner
"""

# pg_get_functiondef() raises an error on an aggregate.
FUNCTIONS = """
SELECT p.oid, n.nspname, p.proname, pg_get_userbyid(p.proowner), pg_get_function_identity_arguments(p.oid),
       CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
       d.description
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN pg_description d
    ON d.classoid = 'pg_proc'::regclass AND d.objoid = p.oid AND d.objsubid = 0
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR p.proname = ANY (%(names)s))
 ORDER BY 2, 3, 5
"""

FUNCTION_GRANTS = """
SELECT DISTINCT p.oid, coalesce(r.rolname, 'PUBLIC'), acl.privilege_type, '', acl.is_grantable
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
  LEFT JOIN pg_roles r ON r.oid = acl.grantee
 WHERE n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR p.proname = ANY (%(names)s))
   AND acl.grantee <> p.proowner
"""

DEPENDANTS = """
SELECT DISTINCT n.nspname, c.relname, vn.nspname, v.relname
  FROM pg_depend dep
  JOIN pg_rewrite rule ON rule.oid = dep.objid
  JOIN pg_class v ON v.oid = rule.ev_class
  JOIN pg_namespace vn ON vn.oid = v.relnamespace
  JOIN pg_class c ON c.oid = dep.refobjid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.classid = 'pg_rewrite'::regclass
   AND dep.refclassid = 'pg_class'::regclass
   AND dep.refobjid <> rule.ev_class
   AND n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
 ORDER BY 1, 2, 3, 4
"""

# A function stands on the row type of what it takes or returns, or on the array of that type; one whose body is SQL
# that was parsed when it was made (BEGIN ATOMIC) stands on the relations in it.
ROW_FUNCTIONS = """
SELECT DISTINCT n.nspname, c.relname, pn.nspname, p.proname
  FROM pg_depend dep
  JOIN pg_proc p ON p.oid = dep.objid
  JOIN pg_namespace pn ON pn.oid = p.pronamespace
  LEFT JOIN pg_type t ON dep.refclassid = 'pg_type'::regclass AND t.oid = dep.refobjid
  LEFT JOIN pg_type element ON element.oid = t.typelem
  JOIN pg_class c
    ON c.oid = CASE WHEN dep.refclassid = 'pg_class'::regclass THEN dep.refobjid
                    ELSE coalesce(nullif(t.typrelid, 0), element.typrelid) END
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE dep.classid = 'pg_proc'::regclass
   AND dep.refclassid IN ('pg_class'::regclass, 'pg_type'::regclass)
   AND n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR c.relname = ANY (%(names)s))
 ORDER BY 1, 2, 3, 4
"""

CALLERS = """
SELECT DISTINCT n.nspname, p.proname, coalesce(rn.nspname, fn.nspname), coalesce(r.relname, f.proname)
  FROM pg_depend dep
  JOIN pg_proc p ON p.oid = dep.refobjid
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN pg_rewrite rule ON dep.classid = 'pg_rewrite'::regclass AND rule.oid = dep.objid
  LEFT JOIN pg_trigger tg ON dep.classid = 'pg_trigger'::regclass AND tg.oid = dep.objid
  LEFT JOIN pg_attrdef def ON dep.classid = 'pg_attrdef'::regclass AND def.oid = dep.objid
  LEFT JOIN pg_constraint con ON dep.classid = 'pg_constraint'::regclass AND con.oid = dep.objid
  LEFT JOIN pg_policy pol ON dep.classid = 'pg_policy'::regclass AND pol.oid = dep.objid
  LEFT JOIN pg_index i ON dep.classid = 'pg_class'::regclass AND i.indexrelid = dep.objid
  LEFT JOIN pg_class r
    ON r.oid = coalesce(rule.ev_class, tg.tgrelid, def.adrelid, nullif(con.conrelid, 0), pol.polrelid, i.indrelid)
  LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
  LEFT JOIN pg_proc f ON dep.classid = 'pg_proc'::regclass AND f.oid = dep.objid
  LEFT JOIN pg_namespace fn ON fn.oid = f.pronamespace
 WHERE dep.refclassid = 'pg_proc'::regclass
   AND n.nspname = ANY (%(schemas)s)
   AND (%(names)s::text[] IS NULL OR p.proname = ANY (%(names)s))
   AND coalesce(r.oid, f.oid) IS NOT NULL
 ORDER BY 1, 2, 3, 4
"""
