/* roles.sql: what people are scored for */

CREATE TABLE linkedin_ingest.roles (
	role text PRIMARY KEY CHECK (role = upper(role) AND role = btrim(role) AND role <> ''),
	title text NOT NULL CHECK (title ~ '\S'),
	description text,
	daily_budget_usd numeric CHECK (daily_budget_usd >= 0),
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE linkedin_ingest.roles IS 'roles that people are scored for; a row added makes a role usable everywhere';
COMMENT ON COLUMN linkedin_ingest.roles.role IS 'short name in upper case, e.g. CTO';
COMMENT ON COLUMN linkedin_ingest.roles.title IS 'the role in words, as a prompt says it';
COMMENT ON COLUMN linkedin_ingest.roles.description IS 'what the role is about; told to the model when all roles are compared';
COMMENT ON COLUMN linkedin_ingest.roles.daily_budget_usd IS 'USD that the jobs of the role may cost in this database per UTC day; a call that might cross it waits; null: no limit';
COMMENT ON COLUMN linkedin_ingest.roles.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.roles.updated_at IS 'when the row was last changed';

CREATE TRIGGER set_timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.roles
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();

INSERT INTO linkedin_ingest.roles (role, title, description) VALUES
	('CTO', 'Chief Technology Officer',
	 'leads technology and engineering: direction of the products'' technology, architecture, the people who build it'),
	('CIO', 'Chief Information Officer',
	 'leads information technology for the business: applications, data, infrastructure, suppliers, and the change they bring'),
	('CISO', 'Chief Information Security Officer',
	 'leads information security: strategy, risk, response to incidents, regulation, and how leaders are told about them');
INSERT INTO linkedin_ingest.seeds (table_name, key)
	SELECT 'roles', r.role FROM linkedin_ingest.roles r;
