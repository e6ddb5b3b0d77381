/* What is doubtful in a template is said when it is saved, and it is saved. */
\pset tuples_only on
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, rubric) VALUES
	('CTO', 'doubtful', 'Is {{profile}} a culture fit?', '[
	{"key": "a", "title": "A", "weight": 0.5, "description": "Graduation year of the person"},
	{"key": "b", "title": "B", "weight": 0.5, "description": "What counts", "levels": {"0": "not so", "100": "a digital native, a native speaker"}}]')
	RETURNING version;
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Is {{profile}} good?' WHERE name = 'doubtful' RETURNING version;
-- nothing is said where nothing is saved, or nothing is doubtful
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Is {{profile}} good?' WHERE name = 'doubtful' RETURNING version;
UPDATE linkedin_ingest.prompt_templates SET rubric = NULL WHERE name = 'doubtful' RETURNING version;
DELETE FROM linkedin_ingest.prompt_templates WHERE name = 'doubtful';
