/*
 * tokens.js PACKAGES strings COUNT SEED	writes strings with their counts of tokens
 * tokens.js PACKAGES fixture				the same for test/fixtures/tokens.tsv
 * tokens.js PACKAGES speed FILE...			tells how fast the reference counts
 *
 * PACKAGES is a folder with the npm packages tiktoken (the reference) and
 * gpt-tokenizer (its test plans).  A line is: tokens by o200k_base, tab, by
 * cl100k_base, tab, the string with \xNN for control characters and \.
 * COUNT 0 asks for every character there is, in several surroundings; other
 * counts begin with the test plans.  The same seed gives the same strings.  The
 * fixture has none made of tokens: those hold words that nobody wants to read.
 */
'use strict';

const fs = require('fs');
const path = require('path');

const packages = path.resolve(process.argv[2], 'node_modules');
const { get_encoding } = require(path.join(packages, 'tiktoken'));
const names = ['o200k_base', 'cl100k_base'];
const encodings = names.map((name) => get_encoding(name));
let seed = Number(process.argv[5] || 1);

/* mulberry32 */
function random(n)
{
	let t = (seed = (seed + 0x6d2b79f5) | 0);

	t = Math.imul(t ^ (t >>> 15), t | 1);
	t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
	return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
}

const pick = (list) => list[random(list.length)];
const times = (n, make) => Array.from({ length: n }, make).join('');
const between = (low, high) => () => String.fromCodePoint(low + random(high - low + 1));

/* One character of a kind. */
const characters = [
	between(0x20, 0x7e), between(0x41, 0x5a), between(0x61, 0x7a), between(0x30, 0x39),
	() => pick([' ', ' ', ' ', '\n', '\r', '\t', '\r\n', '\n\n', '  ', '\v', '\f', '\u0085', '\u00a0', '\u1680',
		'\u180e', '\u2003', '\u200b', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000', '\ufeff', '\0', '\x7f']),
	() => pick(['.', ',', '/', '//', '\\', '-', '_', '"', '`', '(', ')', '{', '}', '<', '>', '|', '\u2014', '\u2026', '\u00bf']),
	() => pick(['\'', '\u2019', '\'s', '\'S', '\'t', '\'T', '\'re', '\'RE', '\'Ve', '\'m', '\'lL', '\'d', '\'l', '\'r', '\'\u017f', '\'x']),
	between(0xa0, 0x24f), between(0x1c4, 0x1cc), between(0x250, 0x2ff), between(0x300, 0x36f), between(0x370, 0x52f),
	between(0x590, 0x6ff), between(0x900, 0x97f), between(0xe00, 0xe7f), between(0x10a0, 0x10ff), between(0x13a0, 0x13ff),
	between(0x1e00, 0x1fff), between(0x2000, 0x206f), between(0x2070, 0x218f), between(0x2190, 0x27bf),
	between(0x2c00, 0x2dff), between(0x3040, 0x30ff), between(0x4e00, 0x9fff), between(0xac00, 0xd7a3),
	between(0xa640, 0xa7ff), between(0xe000, 0xf8ff), between(0xfb00, 0xffff), between(0x10400, 0x1044f),
	between(0x1d400, 0x1d7ff), between(0x1e900, 0x1e95f), between(0x1f1e6, 0x1f1ff), between(0x1f300, 0x1faff),
	() => pick(['\u200d', '\ufe0f', '\u{1f3fd}', '\u20e3', '\u0301', '\u064b', '\u0e31', '\u3099']),
	() => anyCharacter(),
];

function anyCharacter()
{
	const c = random(0x110000 - 0x800);

	return String.fromCodePoint(c < 0xd800 ? c : c + 0x800);
}

/* Tokens that are text, so that a string may hold any of them. */
const tokens = encodings.flatMap((encoding) => encoding.token_byte_values()
	.map((bytes) => Buffer.from(bytes).toString()).filter((text) => !text.includes('\ufffd')));

const word = () => {
	const letters = pick([characters[1], characters[2], characters[2], characters[7], characters[11]]);

	return pick(['', '', characters[1]()]) + times(1 + random(10), letters) + pick(['', '', '', characters[6]()]);
};

const kinds = [
	() => times(1 + random(40), pick(characters)),
	() => times(1 + random(30), () => pick(characters)()),
	() => times(1 + random(20), () => pick(characters.slice(0, 7))()),
	() => { const few = [pick(characters), pick(characters), pick(characters)]; return times(1 + random(40), () => pick(few)()); },
	() => times(1 + random(12), () => pick(['', ' ', ' ', '\n', '. ', ', ']) + word()),
	() => { const c = pick(characters)(); return times(1 + random(random(10) ? 60 : 600), () => c); },
	() => times(1 + random(200), pick(characters.slice(1, 3))),
	() => times(1 + random(8), () => pick(['{', '\t', '    ', 'return ', 'if (', ') {\n', ' = ', '->', '::', '"', ';\n', '// ', '#', '<div ', '/>', '\\n', '0x',
		'http://example.org/', '?a=', '%20', '@example.com', '1,234.56', '2026-11-25', '12:00', 'userName', 'HTTPServer', 'snake_case'])),
	() => pick(['<|endoftext|>', '<|endofprompt|>', '<|fim_prefix|>', '<|im_start|>']) + word(),
];
const token_kinds = [
	() => times(1 + random(12), () => pick(tokens)),
	() => { const pair = pick(tokens); return times(1 + random(20), () => pair); },
];

/* What the test plans say is the number of tokens must be what the reference says. */
function plans()
{
	const text = fs.readFileSync(path.join(packages, 'gpt-tokenizer', 'data', 'TestPlans.txt'), 'utf8');
	const found = new Set();

	for (const plan of text.matchAll(/^EncodingName: (\w+)\nSample: ([^]*?)\nEncoded: \[(.*)\]$/gm)) {
		const encoding = encodings[names.indexOf(plan[1])];

		if (encoding === undefined)
			continue;
		if (encoding.encode_ordinary(plan[2]).join(', ') !== plan[3])
			throw new Error('the reference and its test plan differ: ' + plan[2]);
		found.add(plan[2]);
	}
	return [...found];
}

function everyCharacter(from)
{
	let text = '';

	for (let c = from; c < from + 64; c++) {
		const s = String.fromCodePoint(c);

		text += `a${s}b A${s}B ${s} .${s}! 1${s}2${s}\n'${s} ${s}${s}a${s}A${s}`;
	}
	return text;
}

function write(text)
{
	const counts = encodings.map((encoding) => encoding.encode_ordinary(text).length);
	const escaped = text.replace(/[\0-\x1f\x7f\\]/g, (c) => '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0'));

	fs.writeSync(1, counts.join('\t') + '\t' + escaped + '\n');
}

function speed(file)
{
	const text = fs.readFileSync(file, 'utf8');

	encodings.forEach((encoding, i) => {
		let best = Infinity;

		for (let n = 0; n < 5; n++) {
			const start = process.hrtime.bigint();

			encoding.encode_ordinary(text);
			best = Math.min(best, Number(process.hrtime.bigint() - start));
		}
		console.log(`${names[i]} ${path.basename(file)} reference ${(Buffer.byteLength(text) / best * 1e3).toFixed(1)} MB/s`);
	});
}

if (process.argv[3] === 'speed')
	process.argv.slice(4).forEach(speed);
else if (process.argv[3] === 'fixture') {
	plans().forEach(write);
	for (let n = 2000; n > 0; n--)
		write(pick(kinds)());
} else if (process.argv[4] === '0') {
	for (let c = 0; c < 0x110000; c += 64)
		if (c < 0xd800 || c > 0xdfff)
			write(everyCharacter(c));
} else {
	plans().forEach(write);
	for (let n = Number(process.argv[4]); n > 0; n--)
		write(pick([...kinds, ...token_kinds])());
}
