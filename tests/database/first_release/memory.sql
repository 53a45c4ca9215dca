BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE operations (
	method VARCHAR(100) NOT NULL, 
	request_id VARCHAR(300) NOT NULL, 
	request_digest VARCHAR(64) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	result BLOB, 
	error TEXT NOT NULL, 
	create_time FLOAT NOT NULL, 
	update_time FLOAT NOT NULL, 
	PRIMARY KEY (method, request_id)
);
CREATE TABLE projects (
	project_id VARCHAR(200) NOT NULL, 
	commit_id VARCHAR(40) NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (project_id)
);
CREATE TABLE run_records (
	project_id VARCHAR(200) NOT NULL, 
	run_id VARCHAR(100) NOT NULL, 
	request_id VARCHAR(300) NOT NULL, 
	request_digest VARCHAR(64) NOT NULL, 
	submit_time FLOAT NOT NULL, 
	record TEXT NOT NULL, 
	PRIMARY KEY (project_id, run_id), 
	UNIQUE (request_id)
);
CREATE TABLE sot_entries (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(200) NOT NULL, 
	file_type VARCHAR(40) NOT NULL, 
	entry_id VARCHAR(300) NOT NULL, 
	title TEXT NOT NULL, 
	content TEXT NOT NULL, 
	metadata TEXT NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	trust VARCHAR(20) NOT NULL, 
	run_id VARCHAR(100) NOT NULL, 
	position VARCHAR(400) NOT NULL, 
	created_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (project_id, file_type, entry_id)
);
CREATE INDEX sot_entries_by_trust ON sot_entries (project_id, trust, position);
CREATE INDEX sot_entries_by_run ON sot_entries (project_id, run_id);
COMMIT;
