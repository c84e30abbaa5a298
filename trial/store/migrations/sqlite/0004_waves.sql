-- Later waves of schools: each is committed and drawn by itself; what the first wave left is never touched. The other dialect's file declares the same tables and columns.

-- what will be drawn in wave 2, 3, …, and from which chance
CREATE TABLE wave_commitment (
  trial_id TEXT NOT NULL,
  wave INTEGER NOT NULL CONSTRAINT wave_commitment_wave_valid CHECK (wave >= 2),
  roster INTEGER NOT NULL,
  source TEXT NOT NULL,
  text TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  CONSTRAINT wave_commitment_key PRIMARY KEY (trial_id, wave),
  CONSTRAINT wave_commitment_draw FOREIGN KEY (trial_id) REFERENCES draw (trial_id),
  CONSTRAINT wave_commitment_roster FOREIGN KEY (trial_id, roster) REFERENCES roster (trial_id, version)
) STRICT;

-- the one draw of wave 2, 3, …
CREATE TABLE wave_draw (
  trial_id TEXT NOT NULL,
  wave INTEGER NOT NULL,
  roster INTEGER NOT NULL,
  chance TEXT NOT NULL CONSTRAINT wave_draw_chance_valid CHECK (length(chance) = 64),
  allocation_text TEXT NOT NULL,
  digest TEXT NOT NULL CONSTRAINT wave_draw_digest_valid CHECK (length(digest) = 64),
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  confirmed_by TEXT NOT NULL,
  CONSTRAINT wave_draw_key PRIMARY KEY (trial_id, wave),
  CONSTRAINT wave_draw_commitment FOREIGN KEY (trial_id, wave) REFERENCES wave_commitment (trial_id, wave)
) STRICT;

-- what the chance of wave 2, 3, … was taken from
CREATE TABLE wave_evidence (
  trial_id TEXT NOT NULL,
  wave INTEGER NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  CONSTRAINT wave_evidence_key PRIMARY KEY (trial_id, wave, name),
  CONSTRAINT wave_evidence_draw FOREIGN KEY (trial_id, wave) REFERENCES wave_draw (trial_id, wave)
) STRICT;

CREATE TRIGGER wave_commitment_no_update BEFORE UPDATE ON wave_commitment BEGIN SELECT RAISE(ABORT, 'wave_commitment is append-only'); END;
CREATE TRIGGER wave_commitment_no_delete BEFORE DELETE ON wave_commitment BEGIN SELECT RAISE(ABORT, 'wave_commitment is append-only'); END;
CREATE TRIGGER wave_draw_no_update BEFORE UPDATE ON wave_draw BEGIN SELECT RAISE(ABORT, 'wave_draw is append-only'); END;
CREATE TRIGGER wave_draw_no_delete BEFORE DELETE ON wave_draw BEGIN SELECT RAISE(ABORT, 'wave_draw is append-only'); END;
CREATE TRIGGER wave_evidence_no_update BEFORE UPDATE ON wave_evidence BEGIN SELECT RAISE(ABORT, 'wave_evidence is append-only'); END;
CREATE TRIGGER wave_evidence_no_delete BEFORE DELETE ON wave_evidence BEGIN SELECT RAISE(ABORT, 'wave_evidence is append-only'); END;
