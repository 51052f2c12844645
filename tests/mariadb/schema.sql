CREATE TABLE `kb_access_rules` (
  `id` tinyint(3) unsigned NOT NULL,
  `digest` binary(32) DEFAULT NULL,
  `version` int(10) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_answer_log` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `answered_at` datetime(6) NOT NULL,
  `way` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user` varchar(190) DEFAULT NULL,
  `session_id` varchar(190) DEFAULT NULL,
  `turn_id` varchar(190) DEFAULT NULL,
  `search_id` char(12) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `route` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `outcome` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `error` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `question` mediumtext DEFAULT NULL,
  `milliseconds` float NOT NULL,
  `steps` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`steps`)),
  `best_score` float DEFAULT NULL,
  `model` varchar(255) DEFAULT NULL,
  `prompt_tokens` int(10) unsigned NOT NULL,
  `completion_tokens` int(10) unsigned NOT NULL,
  `cached_tokens` int(10) unsigned NOT NULL,
  `embedding_tokens` int(10) unsigned NOT NULL,
  `calls` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`calls`)),
  `cost` decimal(18,9) DEFAULT NULL,
  `currency` varchar(8) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `answered_at` (`answered_at`),
  KEY `session` (`session_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_api_key` (
  `id` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` varchar(190) NOT NULL,
  `digest` binary(32) NOT NULL,
  `scope` enum('read','write','admin') NOT NULL,
  `collections` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`collections`)),
  `of_groups` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`of_groups`)),
  `only_from` enum('documents','tables') DEFAULT NULL,
  `verifies` tinyint(1) NOT NULL DEFAULT 0,
  `requests_per_minute` int(10) unsigned DEFAULT NULL,
  `tokens_per_day` int(10) unsigned DEFAULT NULL,
  `month_budget` decimal(18,6) DEFAULT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `expires_at` datetime(6) DEFAULT NULL,
  `revoked_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_audience` (
  `id` binary(16) NOT NULL,
  `demand` smallint(5) unsigned NOT NULL,
  `group_name` varchar(190) NOT NULL,
  `demands` smallint(5) unsigned NOT NULL,
  PRIMARY KEY (`id`,`demand`,`group_name`),
  KEY `group_name` (`group_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_audit` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `asked_at` datetime(6) NOT NULL,
  `user` varchar(190) DEFAULT NULL,
  `way` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `action` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `session_id` varchar(190) DEFAULT NULL,
  `text` mediumtext DEFAULT NULL,
  `outcome` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'begun',
  `error` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `documents` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`documents`)),
  `tables` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`tables`)),
  PRIMARY KEY (`id`),
  KEY `asked_at` (`asked_at`),
  KEY `user` (`user`,`asked_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_cache` (
  `id` binary(32) NOT NULL,
  `kind` varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `value` longblob NOT NULL,
  `bytes` int(10) unsigned NOT NULL,
  `made_at` datetime(3) NOT NULL,
  `until` datetime(3) NOT NULL,
  PRIMARY KEY (`kind`,`id`),
  KEY `kb_cache_made_at` (`kind`,`made_at`),
  KEY `kb_cache_until` (`until`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_cited_passage` (
  `session_id` varchar(190) NOT NULL,
  `turn` int(10) unsigned NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `chunk_id` varchar(512) NOT NULL,
  `document_id` varchar(190) NOT NULL,
  `content_hash` char(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `indexed_at` datetime(6) DEFAULT NULL,
  `removed_at` datetime(6) DEFAULT NULL,
  `metadata` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`metadata`)),
  `text` longtext NOT NULL,
  PRIMARY KEY (`session_id`,`turn`,`number`),
  KEY `document_id` (`document_id`),
  CONSTRAINT `kb_cited_passage_turn` FOREIGN KEY (`session_id`, `turn`) REFERENCES `kb_turn` (`session_id`, `number`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_collection` (
  `name` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `chunk_table` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `embedding_model` varchar(255) NOT NULL,
  `dimension` smallint(5) unsigned NOT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_document` (
  `id` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `root` varchar(190) NOT NULL,
  `path` text NOT NULL,
  `status` enum('indexed','failed') NOT NULL,
  `reason` text DEFAULT NULL,
  `content_hash` char(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `failed_hash` char(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `size` bigint(20) unsigned DEFAULT NULL,
  `modified_at` datetime(6) DEFAULT NULL,
  `media_type` varchar(190) DEFAULT NULL,
  `title` text DEFAULT NULL,
  `language` varchar(16) DEFAULT NULL,
  `chunks` int(10) unsigned NOT NULL DEFAULT 0,
  `indexed_at` datetime(6) DEFAULT NULL,
  `checked_at` datetime(6) NOT NULL,
  `audience` binary(16) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `root` (`root`,`status`),
  KEY `audience` (`audience`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_document_count` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `language` varchar(16) NOT NULL,
  `documents` bigint(20) NOT NULL,
  `chunks` bigint(20) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_document_group` (
  `id` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `group_name` varchar(190) NOT NULL,
  PRIMARY KEY (`id`,`group_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_embedding` (
  `model` varchar(255) NOT NULL,
  `dimension` smallint(5) unsigned NOT NULL,
  `text_hash` binary(32) NOT NULL,
  `embedding` blob NOT NULL,
  `kept_at` datetime NOT NULL DEFAULT utc_timestamp(),
  PRIMARY KEY (`model`,`dimension`,`text_hash`),
  KEY `kept_at` (`kept_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_evaluation` (
  `run` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `created_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `set_name` varchar(255) NOT NULL,
  `set_hash` char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `cutoff` smallint(5) unsigned NOT NULL,
  `profile` varchar(190) NOT NULL,
  `settings` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`settings`)),
  `embedding_model` varchar(255) NOT NULL,
  `metrics` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`metrics`)),
  `scores` longtext NOT NULL,
  PRIMARY KEY (`run`),
  KEY `set_name` (`set_name`,`run`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_evaluation_corpus` (
  `chunk_table` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `set_name` varchar(255) NOT NULL,
  `embedding_model` varchar(255) NOT NULL,
  `indexed_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`chunk_table`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_feedback` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `given_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `search_id` char(12) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `session_id` varchar(190) DEFAULT NULL,
  `turn_id` varchar(190) DEFAULT NULL,
  `rating` tinyint(4) DEFAULT NULL,
  `comment` text DEFAULT NULL,
  `edited_sql` text DEFAULT NULL,
  `clicked_rank` smallint(5) unsigned DEFAULT NULL,
  `clicked_chunk` varchar(512) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `search` (`search_id`),
  KEY `turn` (`session_id`,`turn_id`),
  CONSTRAINT `kb_feedback_search` FOREIGN KEY (`search_id`) REFERENCES `kb_search` (`id`) ON DELETE CASCADE,
  CONSTRAINT `kb_feedback_rating` CHECK (`rating` in (-1,1)),
  CONSTRAINT `kb_feedback_subject` CHECK (`search_id` is null = (`session_id` is not null and `turn_id` is not null))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_index_batch` (
  `run` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `root` varchar(190) NOT NULL,
  `directory` text DEFAULT NULL,
  `files` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`files`)),
  `state` enum('waiting','running','done') NOT NULL DEFAULT 'waiting',
  `owner` varchar(255) DEFAULT NULL,
  `embedded` int(10) unsigned NOT NULL DEFAULT 0,
  `deaths` int(10) unsigned NOT NULL DEFAULT 0,
  `returns` int(10) unsigned NOT NULL DEFAULT 0,
  `reason` text DEFAULT NULL,
  `report` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`report`)),
  `beat_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`run`,`number`),
  KEY `root` (`root`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_indexing` (
  `root` varchar(190) NOT NULL,
  PRIMARY KEY (`root`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_indexing_run` (
  `root` varchar(190) NOT NULL,
  `owner` varchar(255) DEFAULT NULL,
  `node` varchar(255) DEFAULT NULL,
  `beat_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`root`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_job` (
  `id` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `number` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `path` text NOT NULL,
  `root` varchar(190) DEFAULT NULL,
  `seen_by` varchar(190) DEFAULT NULL,
  `only_files` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`only_files`)),
  `keep` tinyint(1) NOT NULL DEFAULT 0,
  `prune` tinyint(1) NOT NULL DEFAULT 0,
  `retry` tinyint(1) NOT NULL DEFAULT 0,
  `asked_by` varchar(190) DEFAULT NULL,
  `status` enum('queued','running','done','failed') NOT NULL DEFAULT 'queued',
  `owner` varchar(255) DEFAULT NULL,
  `files` int(10) unsigned NOT NULL DEFAULT 0,
  `total` int(10) unsigned NOT NULL DEFAULT 0,
  `chunks` int(10) unsigned NOT NULL DEFAULT 0,
  `report` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`report`)),
  `error` text DEFAULT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `started_at` datetime(6) DEFAULT NULL,
  `beat_at` datetime(6) DEFAULT NULL,
  `ended_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `number` (`number`),
  KEY `status` (`status`,`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_mark` (
  `id` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `item` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `question` text NOT NULL,
  `root` varchar(190) NOT NULL,
  `path` text NOT NULL,
  `quote` text NOT NULL,
  `marked_by` varchar(190) DEFAULT NULL,
  `marked_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_message` (
  `session_id` varchar(190) NOT NULL,
  `position` int(10) unsigned NOT NULL,
  `turn` int(10) unsigned DEFAULT NULL,
  `role` varchar(16) NOT NULL,
  `status` enum('active','archived') NOT NULL,
  `data` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`data`)),
  PRIMARY KEY (`session_id`,`position`),
  KEY `turn` (`session_id`,`turn`),
  CONSTRAINT `kb_message_session` FOREIGN KEY (`session_id`) REFERENCES `kb_session` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_model_use` (
  `day` date NOT NULL,
  `user` varchar(190) NOT NULL,
  `purpose` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kind` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `model` varchar(255) NOT NULL,
  `currency` varchar(8) NOT NULL,
  `calls` bigint(20) unsigned NOT NULL,
  `unpriced` bigint(20) unsigned NOT NULL,
  `estimated` bigint(20) unsigned NOT NULL,
  `prompt_tokens` bigint(20) unsigned NOT NULL,
  `completion_tokens` bigint(20) unsigned NOT NULL,
  `cached_tokens` bigint(20) unsigned NOT NULL,
  `milliseconds` double NOT NULL,
  `cost` decimal(20,9) NOT NULL,
  PRIMARY KEY (`day`,`user`,`purpose`,`kind`,`model`,`currency`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_other_collection` (
  `name` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `chunk_table` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `embedding_model` varchar(255) NOT NULL,
  `dimension` smallint(5) unsigned NOT NULL,
  `state` enum('next','former') NOT NULL,
  `since` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_other_document` (
  `document_id` varchar(512) NOT NULL,
  `chunks` int(10) unsigned NOT NULL,
  `first_key` int(10) unsigned NOT NULL,
  `last_key` int(10) unsigned NOT NULL,
  `path_hash` binary(16) NOT NULL,
  PRIMARY KEY (`document_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_review_done` (
  `item` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `done_until` datetime(6) NOT NULL,
  `done_by` varchar(190) DEFAULT NULL,
  PRIMARY KEY (`item`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_root` (
  `name` varchar(190) NOT NULL,
  `path` text DEFAULT NULL,
  `indexed_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_schema` (
  `id` tinyint(3) unsigned NOT NULL,
  `version` int(10) unsigned NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci;

CREATE TABLE `kb_search` (
  `id` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `searched_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `session_id` varchar(190) DEFAULT NULL,
  `user` varchar(190) DEFAULT NULL,
  `profile` varchar(190) NOT NULL,
  `question` mediumtext DEFAULT NULL,
  `language` varchar(16) NOT NULL,
  `kind` varchar(16) NOT NULL,
  `milliseconds` float NOT NULL,
  `results` smallint(5) unsigned NOT NULL,
  PRIMARY KEY (`id`),
  KEY `searched_at` (`searched_at`),
  KEY `session` (`session_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_search_hit` (
  `search_id` char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `hit_rank` smallint(5) unsigned NOT NULL,
  `chunk_id` varchar(512) NOT NULL,
  `document_id` varchar(512) DEFAULT NULL,
  `score` float NOT NULL,
  `citation` smallint(5) unsigned DEFAULT NULL,
  `cited` tinyint(1) GENERATED ALWAYS AS (`citation` is not null) VIRTUAL,
  PRIMARY KEY (`search_id`,`hit_rank`),
  CONSTRAINT `kb_search_hit_search` FOREIGN KEY (`search_id`) REFERENCES `kb_search` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_session` (
  `id` varchar(190) NOT NULL,
  `title` varchar(255) NOT NULL DEFAULT '',
  `user` varchar(190) DEFAULT NULL,
  `turns` int(10) unsigned NOT NULL DEFAULT 0,
  `messages` int(10) unsigned NOT NULL DEFAULT 0,
  `memory` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`memory`)),
  `pinned_at` datetime(6) DEFAULT NULL,
  `tags` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`tags`)),
  `deleted_at` datetime(6) DEFAULT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`id`),
  KEY `updated_at` (`updated_at`),
  KEY `deleted_at` (`deleted_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_share` (
  `digest` binary(32) NOT NULL,
  `session_id` varchar(190) NOT NULL,
  `made_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `title` varchar(255) NOT NULL,
  `content` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`content`)),
  PRIMARY KEY (`digest`),
  KEY `session_id` (`session_id`),
  CONSTRAINT `kb_share_session` FOREIGN KEY (`session_id`) REFERENCES `kb_session` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_sign_in` (
  `digest` binary(32) NOT NULL,
  `key_id` char(12) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `person` varchar(190) DEFAULT NULL,
  `of_groups` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`of_groups`)),
  `start_digest` binary(32) DEFAULT NULL,
  `expires_at` datetime(6) NOT NULL,
  PRIMARY KEY (`digest`),
  KEY `expires_at` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_turn` (
  `session_id` varchar(190) NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `parent` int(10) unsigned DEFAULT NULL,
  `is_current` tinyint(1) NOT NULL DEFAULT 1,
  `id` varchar(190) NOT NULL,
  `status` enum('open','complete','partial','failed') NOT NULL DEFAULT 'open',
  `owner` varchar(255) NOT NULL,
  `standalone` longtext DEFAULT NULL,
  `rewritten_by` varchar(16) NOT NULL DEFAULT '',
  `error` text DEFAULT NULL,
  `evidence` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`evidence`)),
  `model` varchar(255) DEFAULT NULL,
  `prompt_tokens` int(10) unsigned DEFAULT NULL,
  `completion_tokens` int(10) unsigned DEFAULT NULL,
  `asked_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `answered_at` datetime(6) DEFAULT NULL,
  `said` longtext DEFAULT NULL,
  `beat_at` datetime(6) DEFAULT NULL,
  `is_stopped` tinyint(1) NOT NULL DEFAULT 0,
  `options` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`options`)),
  PRIMARY KEY (`session_id`,`number`),
  UNIQUE KEY `turn` (`session_id`,`id`),
  CONSTRAINT `kb_turn_session` FOREIGN KEY (`session_id`) REFERENCES `kb_session` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_upload` (
  `id` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `uploaded_by` varchar(190) NOT NULL,
  `bytes` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`id`),
  KEY `uploaded_by` (`uploaded_by`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_upload_content` (
  `sha256` binary(32) NOT NULL,
  `bytes` bigint(20) unsigned NOT NULL,
  `kept_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`sha256`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_upload_directory` (
  `id` tinyint(3) unsigned NOT NULL,
  `marker` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_upload_piece` (
  `sha256` binary(32) NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `content` mediumblob NOT NULL,
  PRIMARY KEY (`sha256`,`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_uploaded_file` (
  `path` varchar(700) NOT NULL,
  `sha256` binary(32) NOT NULL,
  `modified_at` datetime(6) NOT NULL,
  PRIMARY KEY (`path`),
  KEY `sha256` (`sha256`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_verified_query` (
  `name` varchar(190) NOT NULL,
  `origin` enum('file','saved') NOT NULL,
  `key_name` varchar(190) DEFAULT NULL,
  `question` text NOT NULL,
  `language` char(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `wordings` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`wordings`)),
  `statement` mediumtext NOT NULL,
  `parameters` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`parameters`)),
  `descriptions` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`descriptions`)),
  `units` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`units`)),
  `verified_by` varchar(190) NOT NULL,
  `verified_at` date NOT NULL,
  `number` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  PRIMARY KEY (`origin`,`name`),
  UNIQUE KEY `number` (`number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE `kb_verified_query_version` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(190) NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `action` enum('saved','confirmed','removed') NOT NULL,
  `changed_by` varchar(190) NOT NULL,
  `by_key` tinyint(1) NOT NULL,
  `changed_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `key_name` varchar(190) DEFAULT NULL,
  `question` text NOT NULL,
  `language` char(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `wordings` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`wordings`)),
  `statement` mediumtext NOT NULL,
  `parameters` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`parameters`)),
  `descriptions` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`descriptions`)),
  `units` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`units`)),
  `verified_by` varchar(190) NOT NULL,
  `verified_at` date NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`,`number`),
  KEY `changed_by` (`changed_by`,`by_key`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

