#!/usr/bin/env node
/*
 * make.js PACKAGES: writes the two .ranks files beside it.
 *
 * PACKAGES is a folder with the npm packages gpt-tokenizer 4.0.0, whose ranks
 * are taken, and tiktoken 1.0.22, whose regular expression engine is asked which
 * character is in which class.  So the classes are those of the engine that
 * defines how text is split, whatever version of Unicode that has (16.0).
 *
 * The form is described in ../ranks.c.
 */
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const packages = path.resolve(process.argv[2], 'node_modules');
const { Tiktoken } = require(path.join(packages, 'tiktoken'));

const sources = {
	o200k_base: ['446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d', 18],
	cl100k_base: ['223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7', 17],
};
const rules = { cl100k_base: 0, o200k_base: 1 };
const classes = [null, '[\\p{Lu}\\p{Lt}]', '\\p{Ll}', '[\\p{Lm}\\p{Lo}]', '\\p{M}', '\\p{N}', '[\\s&&[^\\r\\n]]', '[\\r\\n]'];

const BLOCK = 256;
const OFFSET_BITS = 22;
const MASK = (1n << 64n) - 1n;

/* What does not match the pattern is left out, so the answer is the class's bytes. */
function characterClasses()
{
	const bytes = Array.from({ length: 256 }, (_, i) => Buffer.from([i]).toString('base64'));
	const ranks = '! 0 ' + bytes.join(' ');
	const table = new Uint8Array(0x110000);

	classes.forEach((pattern, number) => {
		if (pattern === null)
			return;
		const engine = new Tiktoken(ranks, {}, pattern);

		for (let from = 0; from < 0x110000; from += 0x1000) {
			if (from >= 0xd800 && from < 0xe000)
				continue;
			const text = String.fromCodePoint(...Array.from({ length: 0x1000 }, (_, i) => from + i)
				.filter((c) => c < 0xd800 || c > 0xdfff));

			for (const c of Buffer.from(engine.encode_ordinary(text)).toString()) {
				if (table[c.codePointAt(0)] !== 0)
					throw new Error('U+' + c.codePointAt(0).toString(16) + ' is in two classes');
				table[c.codePointAt(0)] = number;
			}
		}
		engine.free();
	});
	return table;
}

/* Blocks of characters, each kept once, and which block is where. */
function blocksOf(table)
{
	const index = Buffer.alloc(table.length / BLOCK);
	const blocks = [];
	const known = new Map();

	for (let i = 0; i < index.length; i++) {
		const block = Buffer.from(table.subarray(i * BLOCK, (i + 1) * BLOCK));
		const key = block.toString('latin1');

		if (!known.has(key)) {
			known.set(key, blocks.length);
			blocks.push(block);
		}
		if (blocks.length > 256)
			throw new Error('too many blocks');
		index[i] = known.get(key);
	}
	return Buffer.concat([index, ...blocks]);
}

/* As token_hash() in ../ranks.c. */
function hash(token)
{
	const mix = (h, x) => {
		h = ((h ^ x) * 0x9e3779b97f4a7c15n) & MASK;
		return h ^ (h >> 32n);
	};
	const n = token.length;
	let h = BigInt(n);

	if (n >= 8) {
		for (let i = 0; i + 8 < n; i += 8)
			h = mix(h, token.readBigUInt64LE(i));
		h = mix(h, token.readBigUInt64LE(n - 8));
	} else if (n >= 4)
		h = mix(h, BigInt(token.readUInt32LE(0)) | (BigInt(token.readUInt32LE(n - 4)) << 32n));
	else
		h = mix(h, BigInt(token[0] | (token[n >> 1] << 8) | (token[n - 1] << 16)));
	return mix(h, 0n);
}

function crc32c(data)
{
	const table = Array.from({ length: 256 }, (_, n) => {
		for (let k = 0; k < 8; k++)
			n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
		return n >>> 0;
	});
	let crc = 0xffffffff;

	for (const byte of data)
		crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
	return (crc ^ 0xffffffff) >>> 0;
}

function ranksFile(name, characters)
{
	const source = fs.readFileSync(path.join(packages, 'gpt-tokenizer', 'data', name + '.tiktoken'));
	const [sha256, bits] = sources[name];
	const slots = new Uint32Array(1 << bits);
	const entries = [];
	let offset = 0;
	let longest = 0;

	if (crypto.createHash('sha256').update(source).digest('hex') !== sha256)
		throw new Error(name + '.tiktoken is not the file that is known');
	source.toString().trim().split('\n').forEach((line, rank) => {
		const [base64, number] = line.split(' ');
		const token = Buffer.from(base64, 'base64');
		const h = hash(token);
		let slot = Number(h >> BigInt(64 - bits));
		const tag = Number(h & 0x3ffn);

		if (Number(number) !== rank)
			throw new Error('ranks with gaps');
		if (token.length > 255 || offset + 1 >= 1 << OFFSET_BITS)
			throw new Error('too long');
		while (slots[slot] !== 0)
			slot = (slot + 1) % slots.length;
		slots[slot] = ((tag << OFFSET_BITS) | (offset + 1)) >>> 0;
		entries.push(Buffer.from([token.length]), token);
		offset += 1 + token.length;
		longest = Math.max(longest, token.length);
	});

	const rest = Buffer.alloc(20);
	[rules[name], characters.length, bits, offset, longest].forEach((value, i) => rest.writeUInt32LE(value, 4 * i));
	const body = Buffer.concat([rest, characters, Buffer.from(slots.buffer), ...entries]);
	const head = Buffer.alloc(16);

	head.write('LiRanks1', 'latin1');
	head.writeUInt32LE(0x01020304, 8);
	head.writeUInt32LE(crc32c(body), 12);
	return Buffer.concat([head, body]);
}

let characters = blocksOf(characterClasses());
characters = Buffer.concat([characters, Buffer.alloc((4 - characters.length % 4) % 4)]);
for (const name of Object.keys(sources))
	fs.writeFileSync(path.join(__dirname, 'linkedin_ingest.' + name + '.ranks'), ranksFile(name, characters));
