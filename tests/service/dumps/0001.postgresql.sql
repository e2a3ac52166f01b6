CREATE TABLE public.alembic_version ( version_num character varying(32) NOT NULL );
CREATE TABLE public.feishu_calls ( month text NOT NULL, calls integer NOT NULL );
CREATE TABLE public.generations ( generation_id text NOT NULL, request_id text NOT NULL, place integer NOT NULL, sender text NOT NULL, model text NOT NULL, state text NOT NULL, accepted_at double precision NOT NULL, owner text, lease_until double precision NOT NULL, due_at double precision NOT NULL, takeups integer NOT NULL, posts integer NOT NULL, charged integer NOT NULL, month text NOT NULL, posted_at double precision, slot_until double precision, repeated boolean NOT NULL, delayed_since double precision, delays integer NOT NULL, seconds double precision, url text, created integer, link_ends_at double precision, findings text, original text, image_key text, shrunk boolean NOT NULL, failure text, ended_at double precision, recorded boolean );
CREATE TABLE public.kept ( name text NOT NULL, value text NOT NULL );
CREATE TABLE public.paces ( name text NOT NULL, next_at double precision NOT NULL );
CREATE TABLE public.preferences ( subject text NOT NULL, content text NOT NULL );
CREATE TABLE public.requests ( request_id text NOT NULL, origin text NOT NULL, kind text NOT NULL, chat_id text, chat_type text NOT NULL, reply_to text, in_topic boolean NOT NULL, sender text NOT NULL, language text NOT NULL, prompt text NOT NULL, asked text NOT NULL, content text NOT NULL, accepted_at double precision NOT NULL, answer_id text, way text NOT NULL, face text, hide_prompt boolean NOT NULL, told text, patches integer NOT NULL, wanted integer NOT NULL, shown integer NOT NULL, owner text, lease_until double precision NOT NULL, due_at double precision NOT NULL, attempts integer NOT NULL, takeups integer NOT NULL, ended_at double precision, outcome text );
CREATE TABLE public.sends ( request_id text NOT NULL, step text NOT NULL, message_id text NOT NULL );
CREATE TABLE public.served ( sender text NOT NULL, model text NOT NULL, posted_at double precision NOT NULL );
CREATE TABLE public.spending ( month text NOT NULL, model text NOT NULL, images integer NOT NULL );
CREATE TABLE public.workers ( owner text NOT NULL, seen_at double precision NOT NULL );
ALTER TABLE ONLY public.alembic_version ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.feishu_calls ADD CONSTRAINT feishu_calls_pkey PRIMARY KEY (month);
ALTER TABLE ONLY public.generations ADD CONSTRAINT generations_pkey PRIMARY KEY (generation_id);
ALTER TABLE ONLY public.kept ADD CONSTRAINT kept_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.paces ADD CONSTRAINT paces_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.preferences ADD CONSTRAINT preferences_pkey PRIMARY KEY (subject);
ALTER TABLE ONLY public.requests ADD CONSTRAINT requests_origin_key UNIQUE (origin);
ALTER TABLE ONLY public.requests ADD CONSTRAINT requests_pkey PRIMARY KEY (request_id);
ALTER TABLE ONLY public.sends ADD CONSTRAINT sends_pkey PRIMARY KEY (request_id, step);
ALTER TABLE ONLY public.served ADD CONSTRAINT served_pkey PRIMARY KEY (sender, model);
ALTER TABLE ONLY public.spending ADD CONSTRAINT spending_pkey PRIMARY KEY (month, model);
ALTER TABLE ONLY public.workers ADD CONSTRAINT workers_pkey PRIMARY KEY (owner);
CREATE INDEX generations_ended ON public.generations USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX generations_of_month ON public.generations USING btree (month);
CREATE INDEX generations_of_person ON public.generations USING btree (sender, accepted_at);
CREATE UNIQUE INDEX generations_of_request ON public.generations USING btree (request_id, place);
CREATE INDEX generations_open ON public.generations USING btree (state, model) WHERE (ended_at IS NULL);
CREATE INDEX generations_owned ON public.generations USING btree (owner) WHERE (owner IS NOT NULL);
CREATE INDEX generations_pending ON public.generations USING btree (sender) WHERE (ended_at IS NULL);
CREATE INDEX generations_slots ON public.generations USING btree (model) WHERE (slot_until IS NOT NULL);
CREATE INDEX generations_timed ON public.generations USING btree (model, ended_at) WHERE (seconds IS NOT NULL);
CREATE INDEX generations_unrecorded ON public.generations USING btree (ended_at) WHERE ((recorded IS NULL) AND (ended_at IS NOT NULL));
CREATE INDEX requests_ended ON public.requests USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX requests_of_chat ON public.requests USING btree (chat_id, accepted_at);
CREATE INDEX requests_of_person ON public.requests USING btree (sender, accepted_at);
CREATE INDEX requests_owned ON public.requests USING btree (owner) WHERE (owner IS NOT NULL);
CREATE INDEX requests_unanswered ON public.requests USING btree (chat_id, accepted_at) WHERE ((answer_id IS NULL) AND (way = 'card'::text) AND (ended_at IS NULL));
CREATE INDEX requests_unshown ON public.requests USING btree (due_at) WHERE ((shown < wanted) AND (ended_at IS NULL));
ALTER TABLE ONLY public.generations ADD CONSTRAINT generations_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.requests(request_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sends ADD CONSTRAINT sends_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.requests(request_id) ON DELETE CASCADE;
INSERT INTO feishu_calls (month, calls) VALUES
('2026-11', 75);
INSERT INTO kept (name, value) VALUES
('base_batch', '{"token": "00000000-0000-4000-8000-000000000001", "generation_ids": ["g0001", "g0002"], "people": true}'),
('bot_open_id:cli_sandbox', 'ou_sandbox_bot'),
('paused', 'ou_fake_admin'),
('user_id_key', '0000000000000000000000000000000000000000000000000000000000000001');
INSERT INTO paces (name, next_at) VALUES
('clean-up', NOW+86381.5017),
('minute', NOW+0.7853),
('model:cogview-4', NOW+0.9997),
('model:glm-image', NOW-2.1872),
('oc_fake_1', NOW-1.3118),
('oc_fake_2', NOW-0.5189),
('oc_fake_3', NOW-1.2373),
('oc_fake_4', NOW-1.3725),
('oc_fake_5', NOW-1.4406),
('oc_fake_6', NOW-3.9139),
('oc_fake_7', NOW-1.2898),
('oc_fake_8', NOW-0.6767),
('oc_fake_9', NOW-1.4647),
('oc_fake_10', NOW+0.3688),
('oc_fake_11', NOW-7.4889),
('oc_fake_12', NOW-1.1899),
('oc_fake_13', NOW-0.5392),
('oc_fake_14', NOW-1.4335),
('oc_fake_15', NOW-1.2505),
('oc_fake_16', NOW-2.7522),
('oc_fake_17', NOW-1.2274),
('oc_fake_18', NOW-3.4147),
('oc_fake_19', NOW-2.7379),
('oc_fake_20', NOW-0.0721),
('oc_fake_21', NOW-1.2026),
('oc_fake_22', NOW-1.1583),
('oc_fake_23', NOW-3.8180),
('oc_fake_24', NOW-1.2627),
('oc_fake_25', NOW-7.5295),
('oc_fake_26', NOW-2.6986),
('oc_fake_27', NOW-1.4559),
('oc_fake_28', NOW-1.2753),
('oc_fake_29', NOW-1.3978),
('oc_fake_30', NOW-4.2837),
('oc_direct_lin', NOW-3.8227),
('oc_fake_31', NOW-1.2185),
('oc_fake_32', NOW-1.1638),
('oc_fake_33', NOW-1.1507),
('oc_fake_34', NOW-1.3377),
('oc_group', NOW-3.8145),
('om_fake_1', NOW-1.4085),
('om_fake_2', NOW-1.1565),
('om_fake_3', NOW-1.1457),
('om_fake_4', NOW-17.7460),
('om_fake_5', NOW-3.5563),
('om_fake_6', NOW-4.3054),
('om_fake_7', NOW-7.7317),
('om_fake_8', NOW-17.0241),
('om_fake_9', NOW-17.1681),
('om_fake_10', NOW-3.7220),
('om_fake_11', NOW-7.2214),
('om_fake_12', NOW-12.9615),
('om_fake_13', NOW-8.3860),
('om_fake_14', NOW-16.8615),
('om_fake_15', NOW-8.3285),
('om_fake_16', NOW-8.1899),
('om_fake_17', NOW-3.8506),
('second', NOW-0.8647);
INSERT INTO preferences (subject, content) VALUES
('ou_fake_1', '{"size": "1728x960", "language": "zh"}'),
('ou_fake_2', '{"size": "1280x1280", "language": "en"}');
INSERT INTO requests (request_id, origin, kind, chat_id, chat_type, reply_to, in_topic, sender, language, prompt, asked, content, accepted_at, answer_id, way, face, hide_prompt, told, patches, wanted, shown, owner, lease_until, due_at, attempts, takeups, ended_at, outcome) VALUES
('r0001', 'om_fake_18', 'images', 'oc_fake_35', 'p2p', 'om_fake_18', false, 'ou_fake_3', 'en', 'recalled while unanswered', 'recalled while unanswered', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.0678, NULL, 'card', NULL, true, NULL, 0, 2, 0, NULL, 0, 0, 0, 0, NOW-1.0571, 'recalled'),
('r0002', 'om_fake_19', 'misread', 'oc_fake_25', 'p2p', 'om_fake_19', false, 'ou_fake_2', 'en', '', '', '{"sentence": "command.admins_only", "values": {}, "command": "stats"}', NOW-9.4250, 'om_fake_20', 'card', 'misread', false, NULL, 0, 1, 1, NULL, NOW-4.0019, 0, 0, 0, NOW-8.9984, 'misread'),
('r0003', 'om_fake_21', 'images', 'oc_fake_9', 'p2p', 'om_fake_21', false, 'ou_fake_4', 'en', 'generating', 'generating', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.9749, 'om_fake_22', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.9656, 0, 0, 0, NULL, NULL),
('r0004', 'om_fake_23', 'images', 'oc_fake_6', 'group', 'om_fake_23', true, 'ou_fake_5', 'zh', 'topic 一只狗', 'topic 一只狗', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-4.4223, 'om_fake_17', 'card', 'result', false, NULL, 1, 2, 2, NULL, NOW+0.6485, 0, 0, 0, NOW-4.3444, 'result'),
('r0005', 'om_fake_24', 'images', 'oc_fake_13', 'p2p', 'om_fake_24', false, 'ou_fake_6', 'en', 'recalled while waiting', 'recalled while waiting', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.0499, 'om_fake_25', 'card', 'queued', true, NULL, 0, 2, 1, NULL, NOW-2.0399, 0, 0, 0, NULL, NULL),
('r0006', 'om_fake_26', 'images', 'oc_fake_21', 'p2p', 'om_fake_26', false, 'ou_fake_7', 'en', 'plain, waiting', 'plain, waiting', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7063, NULL, 'plain', NULL, false, NULL, 0, 1, 0, NULL, NOW-2.7032, NOW-0.7006, 1, 0, NULL, NULL),
('r0007', 'om_fake_27', 'images', 'oc_fake_18', 'p2p', 'om_fake_27', false, 'ou_fake_8', 'en', 'resumable', 'resumable', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-8.8033, 'om_fake_16', 'card', 'failed', false, NULL, 1, 2, 2, NULL, NOW-3.6941, 0, 0, 0, NOW-8.6795, 'failed'),
('r0008', 'om_fake_28', 'images', 'oc_fake_20', 'p2p', 'om_fake_28', false, 'ou_fake_9', 'en', 'refused twice', 'refused twice', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.0768, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, NOW-2.0709, NOW-0.0702, 2, 0, NULL, NULL),
('r0009', 'om_fake_29', 'images', 'oc_fake_5', 'p2p', 'om_fake_29', false, 'ou_fake_10', 'en', 'generating, cancelled', 'generating, cancelled', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.9505, 'om_fake_30', 'card', 'queued', false, NULL, 0, 3, 1, NULL, NOW-2.9413, 0, 0, 0, NULL, NULL),
('r0010', 'om_fake_31', 'command', 'oc_fake_36', 'p2p', 'om_fake_31', false, 'ou_fake_1', 'zh', '', '', '{"name": "history", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-3.3127, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0011', 'om_fake_32', 'misread', 'oc_fake_36', 'p2p', 'om_fake_32', false, 'ou_fake_1', 'zh', '', '', '{"sentence": "misread.unknown_word", "values": {"word": "/hepl", "suggestion": "/help"}, "command": null}', NOW-3.3616, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0012', 'om_fake_33', 'command', 'oc_fake_25', 'p2p', 'om_fake_33', false, 'ou_fake_2', 'en', '', '', '{"name": "history", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-13.4530, 'om_fake_34', 'card', 'history', false, NULL, 0, 1, 1, NULL, NOW-7.9796, 0, 0, 0, NOW-12.9699, 'history'),
('r0013', 'om_fake_35', 'images', 'oc_fake_31', 'p2p', 'om_fake_35', false, 'ou_fake_11', 'en', 'four in four states', 'four in four states', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 4}', NOW-1.7227, 'om_fake_36', 'card', 'queued', false, NULL, 0, 5, 1, NULL, NOW-2.7192, 0, 0, 0, NULL, NULL),
('r0014', 'om_fake_37', 'images', 'oc_fake_26', 'p2p', 'om_fake_37', false, 'ou_fake_12', 'en', 'backing off', 'backing off', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-3.2059, 'om_fake_38', 'card', 'queued', false, NULL, 0, 3, 1, NULL, NOW-4.1996, 0, 0, 0, NULL, NULL),
('r0015', 'om_fake_39', 'images', 'oc_fake_37', 'p2p', 'om_fake_39', false, 'ou_fake_13', 'en', 'unanswered of four', 'unanswered of four', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 4}', NOW-3.2854, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0016', 'om_fake_40', 'help', 'oc_fake_25', 'p2p', 'om_fake_40', false, 'ou_fake_2', 'en', '', '', '{"name": "help", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-17.3358, 'om_fake_41', 'card', 'help', false, NULL, 0, 1, 1, NULL, NOW-11.9924, 0, 0, 0, NOW-16.9823, 'help'),
('r0017', 'om_fake_42', 'images', 'oc_fake_12', 'p2p', 'om_fake_42', false, 'ou_fake_14', 'en', 'plain, done', 'plain, done', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.6937, NULL, 'plain', NULL, false, NULL, 0, 3, 0, NULL, NOW-2.6905, NOW-0.6844, 1, 0, NULL, NULL),
('r0018', 'om_fake_43', 'images', 'oc_fake_25', 'p2p', 'om_fake_43', false, 'ou_fake_2', 'en', 'level two', 'level two', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-17.9213, 'om_fake_9', 'card', 'result', false, NULL, 1, 2, 2, NULL, NOW-12.6691, 0, 0, 0, NOW-17.6624, 'result'),
('r0019', 'om_fake_44', 'images', 'oc_fake_19', 'p2p', 'om_fake_44', false, 'ou_fake_15', 'en', 'waiting, card behind', 'waiting, card behind', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-3.2448, 'om_fake_45', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-4.2395, 0, 0, 0, NULL, NULL),
('r0020', 'om_fake_46', 'command', 'oc_fake_36', 'p2p', 'om_fake_46', false, 'ou_fake_1', 'zh', '', '', '{"name": "queue", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-3.4888, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0021', 'om_fake_47', 'images', 'oc_fake_18', 'p2p', 'om_fake_47', false, 'ou_fake_8', 'en', 'plain messages', 'plain messages', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-7.7064, NULL, 'plain', 'result', false, NULL, 0, 2, 2, NULL, NOW-1.3612, 0, 0, 0, NOW-6.3465, 'result'),
('r0022', 'entered:oc_direct_lin', 'command', 'oc_direct_lin', 'p2p', NULL, false, 'ou_lin', 'zh', '', '', '{"name": "welcome", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-4.3308, 'om_fake_48', 'card', 'welcome', false, NULL, 0, 1, 1, NULL, NOW+0.6737, 0, 0, 0, NOW-4.3107, 'welcome'),
('r0023', 'om_fake_49', 'images', 'oc_fake_38', 'p2p', 'om_fake_49', false, 'ou_fake_16', 'en', 'unanswered prompt', 'unanswered prompt', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-3.3087, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0024', 'press:fake0002', 'images', 'oc_fake_25', 'p2p', 'om_fake_4', false, 'ou_fake_2', 'zh', '一座灯塔', '一座灯塔', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-17.4895, 'om_fake_14', 'card', 'result', false, NULL, 1, 2, 2, NULL, NOW-12.3656, 0, 0, 0, NOW-17.3550, 'result'),
('r0025', 'om_fake_50', 'command', 'oc_fake_25', 'p2p', 'om_fake_50', false, 'ou_fake_2', 'en', '', '', '{"name": "lang", "argument": "en", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}, "result": {"language": "en"}}', NOW-11.4622, 'om_fake_51', 'card', 'lang', false, NULL, 0, 1, 1, NULL, NOW-5.9871, 0, 0, 0, NOW-10.9832, 'lang'),
('r0026', 'om_fake_52', 'images', 'oc_fake_34', 'p2p', 'om_fake_52', false, 'ou_fake_17', 'en', 'made, owned', 'made, owned', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.8490, 'om_fake_53', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.8409, 0, 0, 0, NULL, NULL),
('r0027', 'om_fake_54', 'images', 'oc_fake_2', 'p2p', 'om_fake_54', false, 'ou_fake_18', 'en', 'recalled while generating', 'recalled while generating', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.0336, 'om_fake_55', 'card', 'queued', true, NULL, 0, 3, 1, NULL, NOW-2.0224, 0, 0, 0, NULL, NULL),
('r0028', 'om_fake_56', 'images', 'oc_fake_29', 'p2p', 'om_fake_56', false, 'ou_fake_19', 'en', 'repeated, waiting', 'repeated, waiting', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.9018, 'om_fake_57', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.8986, 0, 0, 0, NULL, NULL),
('r0029', 'om_fake_58', 'command', 'oc_fake_11', 'p2p', 'om_fake_58', false, 'ou_fake_admin', 'en', '', '', '{"name": "stats", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-8.9957, 'om_fake_59', 'card', 'stats', false, NULL, 0, 1, 1, NULL, NOW-3.9906, 0, 0, 0, NOW-8.9798, 'stats'),
('r0030', 'om_fake_60', 'images', 'oc_fake_18', 'p2p', 'om_fake_60', false, 'ou_fake_8', 'en', 'server error', 'server error', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-8.9289, 'om_fake_13', 'card', 'failed', false, NULL, 1, 2, 2, NULL, NOW-3.8869, 0, 0, 0, NOW-8.8823, 'failed'),
('r0031', 'om_fake_61', 'images', 'oc_fake_15', 'p2p', 'om_fake_61', false, 'ou_fake_20', 'en', 'failed, not shown', 'failed, not shown', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7540, 'om_fake_62', 'card', 'queued', false, NULL, 0, 3, 1, NULL, NOW-2.7511, 0, 0, 0, NULL, NULL),
('r0032', 'om_fake_63', 'command', 'oc_fake_25', 'p2p', 'om_fake_63', false, 'ou_fake_2', 'en', '', '', '{"name": "styles", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-15.9739, 'om_fake_64', 'card', 'styles', false, NULL, 0, 1, 1, NULL, NOW-10.4965, 0, 0, 0, NOW-15.4912, 'styles'),
('r0033', 'om_fake_65', 'images', 'oc_fake_10', 'p2p', 'om_fake_65', false, 'ou_fake_21', 'en', 'taken up five times', 'taken up five times', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.6425, NULL, 'card', NULL, false, NULL, 0, 1, 0, 'host-that-is-gone:1:00000000', NOW-2.0808, NOW-1.1309, 0, 4, NULL, NULL),
('r0034', 'om_fake_66', 'command', 'oc_fake_25', 'p2p', 'om_fake_66', false, 'ou_fake_2', 'en', '', '', '{"name": "id", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-10.9804, 'om_fake_67', 'card', 'id', false, NULL, 0, 1, 1, NULL, NOW-5.5053, 0, 0, 0, NOW-10.4994, 'id'),
('r0035', 'om_fake_68', 'images', 'oc_fake_18', 'p2p', 'om_fake_68', false, 'ou_fake_8', 'en', 'upload refused', 'upload refused', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-8.1594, 'om_fake_11', 'card', 'failed', false, NULL, 1, 2, 2, NULL, NOW-2.7224, 0, 0, 0, NOW-7.7155, 'failed'),
('r0036', 'om_fake_69', 'command', 'oc_fake_25', 'p2p', 'om_fake_69', false, 'ou_fake_2', 'en', '', '', '{"name": "tips", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-15.4877, 'om_fake_70', 'card', 'tips', false, NULL, 0, 1, 1, NULL, NOW-10.0036, 0, 0, 0, NOW-14.9995, 'tips'),
('r0037', 'om_fake_71', 'command', NULL, 'p2p', NULL, false, '', 'zh', '', '', '{"name": "recalled"}', NOW-4.2001, NULL, 'card', NULL, true, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NOW-4.2001, 'recalled'),
('r0038', 'om_fake_72', 'images', 'oc_fake_7', 'p2p', 'om_fake_72', false, 'ou_fake_22', 'en', 'made, with its original', 'made, with its original', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7942, 'om_fake_73', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.7905, 0, 0, 0, NULL, NULL),
('r0039', 'om_fake_74', 'images', 'oc_fake_39', 'group', 'om_fake_74', false, 'ou_fake_23', 'en', 'unanswered in a group', 'unanswered in a group', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-3.2741, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0040', 'added:fake0003', 'command', 'oc_group', 'group', NULL, false, 'ou_lin', 'zh', '', '', '{"name": "welcome", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-4.3376, 'om_fake_75', 'card', 'welcome', false, NULL, 0, 1, 1, NULL, NOW+0.6755, 0, 0, 0, NOW-4.2984, 'welcome'),
('r0041', 'om_fake_76', 'command', 'oc_fake_25', 'p2p', 'om_fake_76', false, 'ou_fake_2', 'en', '', '', '{"name": "queue", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-14.9969, 'om_fake_77', 'card', 'queue', false, NULL, 0, 1, 1, NULL, NOW-9.5211, 0, 0, 0, NOW-14.5150, 'queue'),
('r0042', 'om_fake_78', 'misread', 'oc_fake_25', 'p2p', 'om_fake_78', false, 'ou_fake_2', 'en', '', '', '{"sentence": "misread.size", "values": {"value": "7:7", "model": "glm-image", "ratios": "16:9, 3:2, 4:3, 1:1, 3:4, 2:3, 9:16", "allowed": "1280x1280, 1568x1056, 1056x1568, 1472x1088, 1088x1472, 1728x960, 960x1728", "minimum": "1024", "maximum": "2048", "multiple": "32", "pixels": "4,194,304"}, "command": null}', NOW-10.0153, 'om_fake_79', 'card', 'misread', false, NULL, 0, 1, 1, NULL, NOW-4.4871, 0, 0, 0, NOW-9.4802, 'misread'),
('r0043', 'om_fake_80', 'images', 'oc_fake_14', 'p2p', 'om_fake_80', false, 'ou_fake_24', 'en', 'generating, owned request', 'generating, owned request', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.9374, 'om_fake_1', 'card', 'queued', false, NULL, 0, 2, 1, 'host-that-is-gone:1:00000000', NOW-2.9091, 0, 0, 1, NULL, NULL),
('r0044', 'om_fake_81', 'help', 'oc_fake_32', 'p2p', 'om_fake_81', false, 'ou_fake_25', 'en', '', '', '{"name": "help", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-1.6666, NULL, 'plain', NULL, false, NULL, 0, 1, 0, 'host-that-is-gone:1:00000000', NOW-2.6644, 0, 0, 1, NULL, NULL),
('r0045', 'om_fake_82', 'images', 'oc_fake_17', 'p2p', 'om_fake_82', false, 'ou_fake_26', 'en', 'cancelled, not shown', 'cancelled, not shown', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7311, 'om_fake_83', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.7280, 0, 0, 0, NULL, NULL),
('r0046', 'om_fake_84', 'misread', 'oc_fake_36', 'p2p', 'om_fake_84', false, 'ou_fake_1', 'zh', '', '', '{"sentence": "misread.size", "values": {"value": "7:7", "model": "glm-image", "ratios": "16:9, 3:2, 4:3, 1:1, 3:4, 2:3, 9:16", "allowed": "1280x1280, 1568x1056, 1056x1568, 1472x1088, 1088x1472, 1728x960, 960x1728", "minimum": "1024", "maximum": "2048", "multiple": "32", "pixels": "4,194,304"}, "command": null}', NOW-3.3240, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0047', 'om_fake_85', 'command', 'oc_fake_11', 'p2p', 'om_fake_85', false, 'ou_fake_admin', 'en', '', '', '{"name": "pause", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}, "result": {"changed": true}}', NOW-8.9753, 'om_fake_86', 'card', 'pause', false, NULL, 0, 1, 1, NULL, NOW-3.9686, 0, 0, 0, NOW-8.9610, 'pause'),
('r0048', 'om_fake_87', 'command', 'oc_fake_25', 'p2p', 'om_fake_87', false, 'ou_fake_2', 'en', '', '', '{"name": "sizes", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-16.9144, 'om_fake_88', 'card', 'sizes', false, NULL, 0, 1, 1, NULL, NOW-11.4794, 0, 0, 0, NOW-16.4728, 'sizes'),
('r0049', 'om_fake_89', 'images', 'oc_fake_33', 'p2p', 'om_fake_89', false, 'ou_fake_27', 'en', 'new, done', 'new, done', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.6539, 'om_fake_3', 'new', 'queued', false, NULL, 0, 3, 1, 'host-that-is-gone:1:00000000', NOW-2.6463, 0, 0, 1, NULL, NULL),
('r0050', 'om_fake_90', 'images', 'oc_fake_8', 'p2p', 'om_fake_90', false, 'ou_fake_28', 'en', 'plain, half sent', 'plain, half sent', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.6804, NULL, 'plain', NULL, false, NULL, 0, 3, 0, NULL, NOW-2.6713, NOW-0.6691, 1, 0, NULL, NULL),
('r0051', 'om_fake_91', 'command', 'oc_fake_36', 'p2p', 'om_fake_91', false, 'ou_fake_1', 'zh', '', '', '{"name": "lang", "argument": "zh", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}, "result": {"language": "zh"}}', NOW-3.3823, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0052', 'om_fake_92', 'images', 'oc_fake_25', 'p2p', 'om_fake_92', false, 'ou_fake_2', 'zh', '一座灯塔', '一座灯塔', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 2}', NOW-18.2111, 'om_fake_8', 'card', 'result', false, NULL, 2, 3, 3, NULL, NOW-12.9625, 0, 0, 0, NOW-17.9521, 'result'),
('r0053', 'om_fake_93', 'images', 'oc_fake_16', 'p2p', 'om_fake_93', false, 'ou_fake_29', 'en', 'waiting', 'waiting', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-3.2607, 'om_fake_94', 'card', 'queued', false, '3|600', 0, 1, 1, NULL, NOW-4.2553, 0, 0, 0, NULL, NULL),
('r0054', 'om_fake_95', 'images', 'oc_fake_18', 'p2p', 'om_fake_95', false, 'ou_fake_8', 'en', 'expired link', 'expired link', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-8.6628, 'om_fake_7', 'card', 'failed', false, NULL, 1, 2, 2, NULL, NOW-3.2341, 0, 0, 0, NOW-8.2193, 'failed'),
('r0055', 'om_fake_96', 'images', 'oc_fake_4', 'p2p', 'om_fake_96', false, 'ou_fake_30', 'en', 'made', 'made', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.8867, 'om_fake_97', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.8784, 0, 0, 0, NULL, NULL),
('r0056', 'om_fake_98', 'command', 'oc_fake_25', 'p2p', 'om_fake_98', false, 'ou_fake_2', 'en', '', '', '{"name": "quota", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-11.9965, 'om_fake_99', 'card', 'quota', false, NULL, 0, 1, 1, NULL, NOW-6.5236, 0, 0, 0, NOW-11.5159, 'quota'),
('r0057', 'om_fake_100', 'images', 'oc_fake_24', 'p2p', 'om_fake_100', false, 'ou_fake_31', 'en', 'done, not shown', 'done, not shown', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7664, 'om_fake_101', 'card', 'queued', false, NULL, 0, 3, 1, NULL, NOW-2.7634, 0, 0, 0, NULL, NULL),
('r0058', 'om_fake_102', 'images', 'oc_fake_27', 'p2p', 'om_fake_102', false, 'ou_fake_32', 'en', 'generating, hidden before', 'generating, hidden before', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.9610, 'om_fake_103', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.9568, 0, 0, 0, NULL, NULL),
('r0059', 'press:fake0004', 'command', 'oc_fake_25', 'p2p', 'om_fake_4', false, 'ou_fake_2', 'zh', '', '', '{"name": "original", "argument": "g0003", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-17.6214, 'om_fake_104', 'card', 'original', false, NULL, 0, 1, 1, NULL, NOW-12.5961, 0, 0, 0, NOW-17.5541, 'original'),
('r0060', 'om_fake_105', 'help', 'oc_fake_36', 'p2p', 'om_fake_105', false, 'ou_fake_1', 'zh', '', '', '{"name": "help", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-3.5519, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0061', 'om_fake_106', 'misread', 'oc_fake_25', 'p2p', 'om_fake_106', false, 'ou_fake_2', 'en', '', '', '{"sentence": "misread.unknown_word", "values": {"word": "/hepl", "suggestion": "/help"}, "command": null}', NOW-10.4939, 'om_fake_107', 'card', 'misread', false, NULL, 0, 1, 1, NULL, NOW-5.0215, 0, 0, 0, NOW-10.0177, 'misread'),
('r0062', 'om_fake_108', 'command', 'oc_fake_25', 'p2p', 'om_fake_108', false, 'ou_fake_2', 'en', '', '', '{"name": "models", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-16.4666, 'om_fake_109', 'card', 'models', false, NULL, 0, 1, 1, NULL, NOW-10.9808, 0, 0, 0, NOW-15.9770, 'models'),
('r0063', 'om_fake_110', 'images', 'oc_fake_1', 'p2p', 'om_fake_110', false, 'ou_fake_33', 'en', 'made, put off', 'made, put off', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.8185, 'om_fake_111', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.8125, 0, 0, 0, NULL, NULL),
('r0064', 'om_fake_112', 'images', 'oc_fake_30', 'group', 'om_fake_112', false, 'ou_fake_34', 'zh', '一只狗', '一只狗', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 3}', NOW-4.7965, 'om_fake_5', 'card', 'result', false, NULL, 2, 4, 4, NULL, NOW+0.5072, 0, 0, 0, NOW-4.4831, 'result'),
('r0065', 'om_fake_113', 'images', 'oc_fake_25', 'p2p', 'om_fake_113', false, 'ou_fake_2', 'zh', '一座灯塔', '一座灯塔', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-18.6101, 'om_fake_4', 'card', 'result', false, NULL, 1, 2, 2, NULL, NOW-13.2520, 0, 0, 0, NOW-18.2286, 'result'),
('r0066', 'om_fake_114', 'images', 'oc_fake_18', 'p2p', 'om_fake_114', false, 'ou_fake_8', 'en', 'new reply', 'new reply', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-6.2703, 'om_fake_6', 'new', 'result', false, NULL, 1, 2, 2, NULL, NOW+0.1880, 0, 0, 0, NOW-4.8033, 'result'),
('r0067', 'om_fake_115', 'images', 'oc_fake_40', 'group', 'om_fake_115', true, 'ou_fake_35', 'en', 'unanswered in a topic', 'unanswered in a topic', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-3.2662, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0068', 'om_fake_116', 'command', 'oc_fake_36', 'p2p', 'om_fake_116', false, 'ou_fake_1', 'zh', '', '', '{"name": "quota", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-3.4729, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0069', 'om_fake_117', 'misread', 'oc_fake_25', 'p2p', 'om_fake_117', false, 'ou_fake_2', 'en', '', '', '{"sentence": "command.nothing_to_cancel", "values": {}, "command": "cancel"}', NOW-14.5110, 'om_fake_118', 'card', 'misread', false, NULL, 0, 1, 1, NULL, NOW-8.9809, 0, 0, 0, NOW-13.9752, 'misread'),
('r0070', 'om_fake_119', 'command', 'oc_fake_36', 'p2p', 'om_fake_119', false, 'ou_fake_1', 'zh', '', '', '{"name": "settings", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-3.4402, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0071', 'om_fake_120', 'command', 'oc_fake_11', 'p2p', 'om_fake_120', false, 'ou_fake_admin', 'en', '', '', '{"name": "resume", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}, "result": {"changed": true}}', NOW-8.9511, 'om_fake_121', 'card', 'resume', false, NULL, 0, 1, 1, NULL, NOW-3.9384, 0, 0, 0, NOW-8.9345, 'resume'),
('r0072', 'om_fake_122', 'command', 'oc_fake_36', 'p2p', 'om_fake_122', false, 'ou_fake_1', 'zh', '', '', '{"name": "set", "argument": "", "options": {"model": null, "size": "16:9", "quality": null, "watermark": null, "style": null, "count": null}, "result": {"for_chat": false, "changes": {"size": "1728x960"}}}', NOW-3.4157, NULL, 'card', NULL, false, NULL, 0, 1, 0, NULL, 0, 0, 0, 0, NULL, NULL),
('r0073', 'om_fake_123', 'images', 'oc_fake_23', 'p2p', 'om_fake_123', false, 'ou_fake_36', 'en', 'to be recalled after the end', 'to be recalled after the end', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-4.3320, 'om_fake_10', 'card', 'result', true, NULL, 1, 2, 2, NULL, NOW+0.7749, 0, 0, 0, NOW-4.2145, 'result'),
('r0074', 'om_fake_124', 'command', 'oc_fake_25', 'p2p', 'om_fake_124', false, 'ou_fake_2', 'en', '', '', '{"name": "settings", "argument": "", "options": {"model": null, "size": null, "quality": null, "watermark": null, "style": null, "count": null}}', NOW-12.9643, 'om_fake_125', 'card', 'settings', false, NULL, 0, 1, 1, NULL, NOW-7.4891, 0, 0, 0, NOW-12.4850, 'settings'),
('r0075', 'om_fake_126', 'images', 'oc_fake_28', 'p2p', 'om_fake_126', false, 'ou_fake_37', 'en', 'made, with its image key', 'made, with its image key', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7790, 'om_fake_127', 'card', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.7759, 0, 0, 0, NULL, NULL),
('r0076', 'om_fake_128', 'images', 'oc_fake_3', 'p2p', 'om_fake_128', false, 'ou_fake_38', 'en', 'failed free, not shown', 'failed free, not shown', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.7416, 'om_fake_129', 'card', 'queued', false, NULL, 0, 3, 1, NULL, NOW-2.7379, 0, 0, 0, NULL, NULL),
('r0077', 'om_fake_130', 'images', 'oc_fake_25', 'p2p', 'om_fake_130', false, 'ou_fake_2', 'en', '一座灯塔', '一座灯塔', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-13.9691, 'om_fake_12', 'card', 'result', false, NULL, 1, 2, 2, NULL, NOW-8.4623, 0, 0, 0, NOW-13.4560, 'result'),
('r0078', 'om_fake_131', 'images', 'oc_fake_22', 'p2p', 'om_fake_131', false, 'ou_fake_39', 'en', 'new, waiting', 'new, waiting', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-1.6617, 'om_fake_2', 'new', 'queued', false, NULL, 0, 2, 1, NULL, NOW-2.6571, NOW-0.6557, 1, 0, NULL, NULL),
('r0079', 'om_fake_132', 'command', 'oc_fake_25', 'p2p', 'om_fake_132', false, 'ou_fake_2', 'en', '', '', '{"name": "set", "argument": "", "options": {"model": null, "size": "1:1", "quality": null, "watermark": null, "style": null, "count": null}, "result": {"for_chat": false, "changes": {"size": "1280x1280"}}}', NOW-12.4822, 'om_fake_133', 'card', 'set', false, NULL, 0, 1, 1, NULL, NOW-7.0036, 0, 0, 0, NOW-11.9998, 'set'),
('r0080', 'om_fake_134', 'images', 'oc_fake_18', 'p2p', 'om_fake_134', false, 'ou_fake_8', 'en', 'content filter', 'content filter', '{"model": "glm-image", "size": "1280x1280", "quality": "hd", "watermark": true, "style": null, "count": 1}', NOW-8.8775, 'om_fake_15', 'card', 'failed', false, NULL, 1, 2, 2, NULL, NOW-3.8326, 0, 0, 0, NOW-8.8181, 'failed');
INSERT INTO served (sender, model, posted_at) VALUES
('ou_fake_32', 'glm-image', NOW-1.9202),
('ou_fake_28', 'glm-image', NOW-1.6747),
('ou_fake_27', 'glm-image', NOW-1.6491),
('ou_fake_5', 'glm-image', NOW-4.4019),
('ou_fake_14', 'glm-image', NOW-1.6877),
('ou_fake_34', 'glm-image', NOW-4.5742),
('ou_fake_33', 'glm-image', NOW-1.8069),
('ou_fake_38', 'glm-image', NOW-1.7352),
('ou_fake_36', 'glm-image', NOW-4.2862),
('ou_fake_31', 'glm-image', NOW-1.7607),
('ou_fake_19', 'glm-image', NOW-1.8951),
('ou_fake_30', 'glm-image', NOW-1.8639),
('ou_fake_12', 'glm-image', NOW-3.1912),
('ou_fake_17', 'glm-image', NOW-1.8296),
('ou_fake_22', 'glm-image', NOW-1.7871),
('ou_fake_8', 'glm-image', NOW-5.8697),
('ou_fake_4', 'glm-image', NOW-1.9295),
('ou_fake_20', 'glm-image', NOW-1.7487),
('ou_fake_2', 'glm-image', NOW-13.5125),
('ou_fake_11', 'glm-image', NOW-1.7093),
('ou_fake_18', 'glm-image', NOW-1.0170),
('ou_fake_37', 'glm-image', NOW-1.7728),
('ou_fake_10', 'glm-image', NOW-1.9147),
('ou_fake_24', 'glm-image', NOW-1.9105);
INSERT INTO spending (month, model, images) VALUES
('2026-05', 'cogview-4', 7),
('2026-11', 'glm-image', 36);
INSERT INTO workers (owner, seen_at) VALUES
('host-that-is-gone:1:00000000', NOW-3600.0122);
INSERT INTO generations (generation_id, request_id, place, sender, model, state, accepted_at, owner, lease_until, due_at, takeups, posts, charged, month, posted_at, slot_until, repeated, delayed_since, delays, seconds, url, created, link_ends_at, findings, original, image_key, shrunk, failure, ended_at, recorded) VALUES
('g0004', 'r0052', 0, 'ou_fake_2', 'glm-image', 'done', NOW-18.2111, NULL, NOW-13.1632, 0, 0, 1, 1, '2026-11', NOW-18.1737, NULL, false, NULL, 0, 0.028, 'https://image.invalid/done1', 1795974886, NOW+604781.4188, '[]', 'g0004.jpg', 'img_v3_fake_1', false, NULL, NOW-18.0543, true),
('g0005', 'r0031', 0, 'ou_fake_20', 'glm-image', 'failed', NOW-1.7540, NULL, NOW-2.7491, 0, 0, 1, 1, '2026-11', NOW-1.7491, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, '{"code": "server_error", "sentence": "failure.server", "values": {}, "platform": null, "roles": []}', NOW-1.7472, NULL),
('g0006', 'r0013', 1, 'ou_fake_11', 'glm-image', 'made', NOW-1.7227, 'host-that-is-gone:1:00000000', NOW-2.7110, 0, 0, 1, 1, '2026-11', NOW-1.7125, NULL, false, NULL, 0, 0.001, 'https://image.invalid/11', 1795000011, NULL, '[{"role": "assistant", "level": 2}]', 'g0006.jpg', NULL, false, NULL, NULL, NULL),
('g0007', 'r0039', 0, 'ou_fake_23', 'glm-image', 'waiting', NOW-3.2741, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0008', 'r0066', 0, 'ou_fake_8', 'glm-image', 'done', NOW-6.2703, NULL, NOW-0.8703, 0, 0, 1, 1, '2026-11', NOW-5.8703, NULL, false, NULL, 0, 0.026, 'https://image.invalid/done2', 1795974898, NOW+604793.4188, '[]', 'g0008.jpg', 'img_v3_fake_2', false, NULL, NOW-5.8142, NULL),
('g0009', 'r0049', 0, 'ou_fake_27', 'glm-image', 'done', NOW-1.6539, NULL, NOW-2.6480, 0, 0, 1, 1, '2026-11', NOW-1.6495, NULL, false, NULL, 0, 0.001, 'https://image.invalid/16', 1795000016, NULL, '[]', 'g0009.jpg', 'img_v3_fake_17', false, NULL, NOW-1.6469, NULL),
('g0003', 'r0065', 0, 'ou_fake_2', 'glm-image', 'done', NOW-18.6101, NULL, NOW-13.4335, 0, 0, 1, 1, '2026-11', NOW-18.4335, NULL, false, NULL, 0, 0.061, 'https://image.invalid/done3', 1795974886, NOW+604781.4188, '[]', 'g0003.jpg', 'img_v3_fake_3', false, NULL, NOW-18.2635, true),
('g0010', 'r0064', 1, 'ou_fake_34', 'glm-image', 'done', NOW-4.7965, NULL, NOW+0.4846, 0, 0, 1, 1, '2026-11', NOW-4.7476, NULL, false, NULL, 0, 0.164, 'https://image.invalid/done4', 1795974899, NOW+604794.4188, '[]', 'g0010.jpg', 'img_v3_fake_4', false, NULL, NOW-4.4969, NULL),
('g0011', 'r0055', 0, 'ou_fake_30', 'glm-image', 'made', NOW-1.8867, 'host-that-is-gone:1:00000000', NOW-2.8654, 0, 0, 1, 1, '2026-11', NOW-1.8654, NULL, false, NULL, 0, 0.007, 'https://image.invalid/1', 1795000001, NULL, '[{"role": "assistant", "level": 2}]', NULL, NULL, false, NULL, NULL, NULL),
('g0002', 'r0018', 0, 'ou_fake_2', 'glm-image', 'done', NOW-17.9213, NULL, NOW-12.8304, 0, 0, 1, 1, '2026-11', NOW-17.8304, NULL, false, NULL, 0, 0.063, 'https://image.invalid/done5', 1795974886, NOW+604781.4188, '[{"role": "assistant", "level": 2}]', 'g0002.jpg', 'img_v3_fake_5', false, NULL, NOW-17.6755, true),
('g0012', 'r0015', 0, 'ou_fake_13', 'glm-image', 'waiting', NOW-3.2854, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0013', 'r0013', 2, 'ou_fake_11', 'glm-image', 'generating', NOW-1.7227, 'host-that-is-gone:1:00000000', NOW-2.7096, 0, 0, 1, 1, '2026-11', NOW-1.7096, NOW+58.2904, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0014', 'r0006', 0, 'ou_fake_7', 'glm-image', 'waiting', NOW-1.7063, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0015', 'r0050', 0, 'ou_fake_28', 'glm-image', 'done', NOW-1.6804, NULL, NOW-2.6735, 0, 0, 1, 1, '2026-11', NOW-1.6751, NULL, false, NULL, 0, 0.001, 'https://image.invalid/14', 1795000014, NULL, '[]', 'g0015.jpg', 'img_v3_fake_15', false, NULL, NOW-1.6721, NULL),
('g0016', 'r0030', 0, 'ou_fake_8', 'glm-image', 'failed', NOW-8.9289, NULL, NOW-3.9021, 0, 0, 1, 1, '2026-11', NOW-8.9021, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, '{"code": "server_error", "sentence": "failure.server", "values": {}, "platform": "1234 网络错误，错误id：20261122000000aa1b5b3fbb4342d0，请联系客服", "roles": []}', NOW-8.8972, NULL),
('g0017', 'r0064', 0, 'ou_fake_34', 'glm-image', 'done', NOW-4.7965, NULL, NOW+0.2257, 0, 0, 1, 1, '2026-11', NOW-4.7743, NULL, false, NULL, 0, 0.024, 'https://image.invalid/done6', 1795974899, NOW+604794.4188, '[]', 'g0017.jpg', 'img_v3_fake_6', false, NULL, NOW-4.5691, NULL),
('g0018', 'r0014', 0, 'ou_fake_12', 'glm-image', 'waiting', NOW-3.2059, NULL, NOW-4.1927, NOW-2.1882, 0, 1, 0, '2026-11', NOW-3.1927, NULL, false, NOW-3.1882, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0019', 'r0024', 0, 'ou_fake_2', 'glm-image', 'done', NOW-17.4895, NULL, NOW-12.4634, 0, 0, 1, 1, '2026-11', NOW-17.4634, NULL, false, NULL, 0, 0.036, 'https://image.invalid/done7', 1795974887, NOW+604782.4188, '[]', 'g0019.jpg', 'img_v3_fake_7', false, NULL, NOW-17.3702, NULL),
('g0020', 'r0023', 0, 'ou_fake_16', 'glm-image', 'waiting', NOW-3.3087, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0021', 'r0004', 0, 'ou_fake_5', 'glm-image', 'done', NOW-4.4223, NULL, NOW+0.5976, 0, 0, 1, 1, '2026-11', NOW-4.4024, NULL, false, NULL, 0, 0.026, 'https://image.invalid/done8', 1795974900, NOW+604795.4188, '[]', 'g0021.jpg', 'img_v3_fake_8', false, NULL, NOW-4.3534, NULL),
('g0022', 'r0053', 0, 'ou_fake_29', 'glm-image', 'waiting', NOW-3.2607, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0023', 'r0064', 2, 'ou_fake_34', 'glm-image', 'done', NOW-4.7965, NULL, NOW+0.4845, 0, 0, 1, 1, '2026-11', NOW-4.5784, NULL, false, NULL, 0, 0.045, 'https://image.invalid/done9', 1795974900, NOW+604795.4188, '[]', 'g0023.jpg', 'img_v3_fake_9', false, NULL, NOW-4.4965, NULL),
('g0024', 'r0015', 1, 'ou_fake_13', 'glm-image', 'waiting', NOW-3.2854, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0025', 'r0021', 0, 'ou_fake_8', 'glm-image', 'done', NOW-7.7064, NULL, NOW-2.3795, 0, 0, 1, 1, '2026-11', NOW-7.3795, NULL, false, NULL, 0, 0.024, 'https://image.invalid/done10', 1795974897, NOW+604792.4188, '[]', 'g0025.jpg', 'img_v3_fake_10', false, NULL, NOW-7.3207, NULL),
('g0001', 'r0052', 1, 'ou_fake_2', 'glm-image', 'done', NOW-18.2111, NULL, NOW-13.1253, 0, 0, 1, 1, '2026-11', NOW-18.1253, NULL, false, NULL, 0, 0.053, 'https://image.invalid/done11', 1795974886, NOW+604781.4188, '[]', 'g0001.jpg', 'img_v3_fake_11', false, NULL, NOW-17.9787, true),
('g0026', 'r0015', 3, 'ou_fake_13', 'glm-image', 'waiting', NOW-3.2854, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0027', 'r0078', 0, 'ou_fake_39', 'glm-image', 'waiting', NOW-1.6617, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0028', 'r0008', 0, 'ou_fake_9', 'glm-image', 'waiting', NOW-1.0768, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0029', 'r0057', 0, 'ou_fake_31', 'glm-image', 'done', NOW-1.7664, NULL, NOW-2.7594, 0, 0, 1, 1, '2026-11', NOW-1.7610, NULL, false, NULL, 0, 0.001, 'https://image.invalid/7', 1795000007, NULL, '[{"role": "assistant", "level": 2}]', 'g0029.jpg', 'img_v3_fake_8', false, NULL, NOW-1.7573, NULL),
('g0030', 'r0013', 3, 'ou_fake_11', 'glm-image', 'waiting', NOW-1.7227, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0031', 'r0045', 0, 'ou_fake_26', 'glm-image', 'cancelled', NOW-1.7311, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NOW-1.7257, NULL),
('g0032', 'r0075', 0, 'ou_fake_37', 'glm-image', 'made', NOW-1.7790, 'host-that-is-gone:1:00000000', NOW-2.7714, 0, 0, 1, 1, '2026-11', NOW-1.7732, NULL, false, NULL, 0, 0.001, 'https://image.invalid/5', 1795000005, NULL, '[{"role": "assistant", "level": 2}]', 'g0032.jpg', 'img_v3_fake_6', false, NULL, NULL, NULL),
('g0033', 'r0028', 0, 'ou_fake_19', 'glm-image', 'waiting', NOW-1.9018, NULL, NOW-2.8956, 0, 0, 1, 1, '2026-11', NOW-1.8956, NULL, true, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0034', 'r0033', 0, 'ou_fake_21', 'glm-image', 'waiting', NOW-1.6425, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0035', 'r0073', 0, 'ou_fake_36', 'glm-image', 'done', NOW-4.3320, NULL, NOW+0.7119, 0, 0, 1, 1, '2026-11', NOW-4.2881, NULL, false, NULL, 0, 0.030, 'https://image.invalid/done12', 1795974900, NOW+604795.4188, '[]', 'g0035.jpg', 'img_v3_fake_12', false, NULL, NOW-4.2269, NULL),
('g0036', 'r0058', 0, 'ou_fake_32', 'glm-image', 'generating', NOW-1.9610, 'host-that-is-gone:1:00000000', NOW-2.9218, 0, 0, 1, 1, '2026-11', NOW-1.9218, NOW+58.0782, true, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0037', 'r0080', 0, 'ou_fake_8', 'glm-image', 'failed', NOW-8.8775, NULL, NOW-3.8611, 0, 0, 1, 0, '2026-11', NOW-8.8611, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, '{"code": "content_filter_violation", "sentence": "failure.content", "values": {}, "platform": "1301 系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。", "roles": ["user"]}', NOW-8.8558, NULL),
('g0038', 'r0038', 0, 'ou_fake_22', 'glm-image', 'made', NOW-1.7942, 'host-that-is-gone:1:00000000', NOW-2.7856, 0, 0, 1, 1, '2026-11', NOW-1.7875, NULL, false, NULL, 0, 0.001, 'https://image.invalid/4', 1795000004, NULL, '[]', 'g0038.jpg', NULL, false, NULL, NULL, NULL),
('g0039', 'r0013', 0, 'ou_fake_11', 'glm-image', 'done', NOW-1.7227, NULL, NOW-2.7151, 0, 0, 1, 1, '2026-11', NOW-1.7170, NULL, false, NULL, 0, 0.001, 'https://image.invalid/9', 1795000009, NULL, '[{"role": "assistant", "level": 2}]', 'g0039.jpg', 'img_v3_fake_10', false, NULL, NOW-1.7139, NULL),
('g0040', 'r0005', 0, 'ou_fake_6', 'glm-image', 'cancelled', NOW-1.0499, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NOW-1.0291, NULL),
('g0041', 'r0007', 0, 'ou_fake_8', 'glm-image', 'failed', NOW-8.8033, NULL, NOW-3.7700, 0, 0, 1, 1, '2026-11', NOW-8.7700, NULL, false, NULL, 0, 0.027, 'https://image.invalid/done13', 1795974895, NOW+604790.4188, '[]', NULL, NULL, false, '{"code": "DOWNLOAD_FAILED", "sentence": "failure.download", "values": {}, "platform": null, "roles": []}', NOW-8.6982, NULL),
('g0042', 'r0043', 0, 'ou_fake_24', 'glm-image', 'generating', NOW-1.9374, 'host-that-is-gone:1:00000000', NOW-2.9120, 0, 0, 1, 1, '2026-11', NOW-1.9120, NOW+58.0880, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0043', 'r0009', 0, 'ou_fake_10', 'glm-image', 'cancelled', NOW-1.9505, 'host-that-is-gone:1:00000000', NOW-2.9156, 0, 0, 1, 1, '2026-11', NOW-1.9156, NOW+58.0844, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NOW-1.7258, NULL),
('g0044', 'r0054', 0, 'ou_fake_8', 'glm-image', 'failed', NOW-8.6628, NULL, NOW-3.3212, 0, 0, 1, 1, '2026-11', NOW-8.3212, NULL, false, NULL, 0, 0.031, 'https://image.invalid/done14', 1795974896, NOW-8.7035, '[]', NULL, NULL, false, '{"code": "DOWNLOAD_FAILED", "sentence": "failure.download", "values": {}, "platform": null, "roles": []}', NOW-8.2370, NULL),
('g0045', 'r0035', 0, 'ou_fake_8', 'glm-image', 'failed', NOW-8.1594, NULL, NOW-2.8463, 0, 0, 1, 1, '2026-11', NOW-7.8463, NULL, false, NULL, 0, 0.029, 'https://image.invalid/done15', 1795974896, NOW+604791.4188, '[]', 'g0045.jpg', NULL, false, '{"code": "upload_failed", "sentence": "failure.upload", "values": {}, "platform": "234001 Invalid request param.", "roles": []}', NOW-7.7260, NULL),
('g0046', 'r0067', 0, 'ou_fake_35', 'glm-image', 'waiting', NOW-3.2662, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0047', 'r0076', 0, 'ou_fake_38', 'glm-image', 'failed', NOW-1.7416, NULL, NOW-2.7355, 0, 0, 1, 0, '2026-11', NOW-1.7355, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, '{"code": "rate_limit_exceeded", "sentence": "failure.server", "values": {}, "platform": null, "roles": []}', NOW-1.7344, NULL),
('g0048', 'r0063', 0, 'ou_fake_33', 'glm-image', 'made', NOW-1.8185, NULL, NOW-2.8030, NOW-0.7995, 0, 1, 1, '2026-11', NOW-1.8074, NULL, false, NOW-1.7995, 1, 0.002, 'https://image.invalid/3', 1795000003, NULL, '[{"role": "assistant", "level": 2}]', NULL, NULL, false, NULL, NULL, NULL),
('g0049', 'r0027', 0, 'ou_fake_18', 'glm-image', 'cancelled', NOW-1.0336, 'host-that-is-gone:1:00000000', NOW-2.0173, 0, 0, 1, 1, '2026-11', NOW-1.0173, NOW+58.9827, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NOW-0.9992, NULL),
('g0050', 'r0017', 0, 'ou_fake_14', 'glm-image', 'done', NOW-1.6937, NULL, NOW-2.6864, 0, 0, 1, 1, '2026-11', NOW-1.6880, NULL, false, NULL, 0, 0.001, 'https://image.invalid/12', 1795000012, NULL, '[]', 'g0050.jpg', 'img_v3_fake_13', false, NULL, NOW-1.6851, NULL),
('g0051', 'r0026', 0, 'ou_fake_17', 'glm-image', 'made', NOW-1.8490, 'host-that-is-gone:1:00000000', NOW-2.8231, 0, 1, 1, 1, '2026-11', NOW-1.8321, NULL, false, NULL, 0, 0.006, 'https://image.invalid/2', 1795000002, NULL, '[]', NULL, NULL, false, NULL, NULL, NULL),
('g0052', 'r0003', 0, 'ou_fake_4', 'glm-image', 'generating', NOW-1.9749, 'host-that-is-gone:1:00000000', NOW-2.9310, 0, 0, 1, 1, '2026-11', NOW-1.9310, NOW+58.0690, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0053', 'r0015', 2, 'ou_fake_13', 'glm-image', 'waiting', NOW-3.2854, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL),
('g0054', 'r0077', 0, 'ou_fake_2', 'glm-image', 'done', NOW-13.9691, NULL, NOW-8.5130, 0, 0, 1, 1, '2026-11', NOW-13.5130, NULL, false, NULL, 0, 0.024, 'https://image.invalid/done16', 1795974891, NOW+604786.4188, '[]', 'g0054.jpg', 'img_v3_fake_13', false, NULL, NOW-13.4646, NULL),
('g0055', 'r0001', 0, 'ou_fake_3', 'glm-image', 'cancelled', NOW-1.0678, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NOW-1.0537, NULL),
('g0056', 'r0019', 0, 'ou_fake_15', 'glm-image', 'waiting', NOW-3.2448, NULL, 0, 0, 0, 0, 0, '2026-11', NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO sends (request_id, step, message_id) VALUES
('r0021', 'image0', 'om_fake_135'),
('r0021', 'text', 'om_fake_136'),
('r0050', 'image0', 'om_fake_137'),
('r0066', 'image0', 'om_fake_138'),
('r0066', 'text', 'om_fake_139');
INSERT INTO alembic_version (version_num) VALUES ('0001');
