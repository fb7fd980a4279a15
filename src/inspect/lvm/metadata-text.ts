/** The text in which LVM2 keeps its metadata: `name = value`, lists in brackets, sections in braces. */

import { CorruptImageError } from '../../errors.ts';

export type Value = number | string | readonly Value[];
export interface Section {
  readonly values: ReadonlyMap<string, Value>;
  readonly sections: ReadonlyMap<string, Section>;
}

/** A group has three levels of sections. */
const MAX_DEPTH = 16;
const TOKEN = /\s+|#[^\n]*|"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.+-]+|[=[\]{},]/y;

/** @throws CorruptImageError `bad-table` */
export function parseMetadata(text: string): Section {
  const tokens = tokensOf(text);
  const root = sectionFrom(tokens, MAX_DEPTH);
  if (tokens.peek() !== undefined) throw broken('a brace closes nothing');
  return root;
}

interface Tokens {
  peek(): string | undefined;
  next(): string | undefined;
}

function tokensOf(text: string): Tokens {
  let at = 0;
  let held: string | undefined;
  const advance = (): void => {
    held = undefined;
    while (at < text.length && text[at] !== '\0') {
      TOKEN.lastIndex = at;
      const token = TOKEN.exec(text)?.[0];
      if (token === undefined) throw broken(`character ${at} is out of place`);
      at += token.length;
      if (/^[\s#]/.test(token)) continue;
      held = token;
      return;
    }
  };
  advance();
  return {
    peek: () => held,
    next() {
      const token = held;
      advance();
      return token;
    },
  };
}

function sectionFrom(tokens: Tokens, depth: number): Section {
  if (depth === 0) throw broken('sections stand too deep in each other');
  const values = new Map<string, Value>();
  const sections = new Map<string, Section>();
  for (;;) {
    const next = tokens.peek();
    if (next === undefined || next === '}') return { values, sections };
    const name = tokens.next() as string;
    const sign = tokens.next();
    if (sign === '=') values.set(name, valueFrom(tokens, depth));
    else if (sign === '{') {
      sections.set(name, sectionFrom(tokens, depth - 1));
      if (tokens.next() !== '}') throw broken(`section ${name} does not end`);
    } else throw broken(`"${name}" is followed by neither a value nor a section`);
  }
}

function valueFrom(tokens: Tokens, depth: number): Value {
  const token = tokens.next();
  if (token === '[') {
    if (depth === 0) throw broken('lists stand too deep in each other');
    const list: Value[] = [];
    while (tokens.peek() !== ']') {
      list.push(valueFrom(tokens, depth - 1));
      if (tokens.peek() === ',') tokens.next();
    }
    tokens.next();
    return list;
  }
  if (token?.startsWith('"')) return token.slice(1, -1).replaceAll(/\\(.)/g, '$1');
  if (token === undefined || !/^[\w.+-]/.test(token)) throw broken('a value is missing');
  return /^-?\d+$/.test(token) ? Number(token) : token;
}

const broken = (why: string): CorruptImageError =>
  new CorruptImageError('bad-table', `The metadata of LVM2 cannot be read: ${why}.`);
