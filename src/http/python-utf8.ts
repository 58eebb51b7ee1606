/**
 * Where bytes stop being UTF-8, in the words of Python's codec (Objects/stringlib/codecs.h), which DRF hands on to
 * the client. `undefined`: nothing wrong but, at most, a sequence cut off at the end, which Python's stream reader
 * drops without a word.
 */
export function pythonUtf8Fault(bytes: Uint8Array): string | undefined {
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] ?? 0;
    const length = sequenceLength(first);
    if (length === 0) return tell(bytes, at, 1, 'invalid start byte');
    for (let i = 1; i < length; i += 1) {
      const byte = bytes[at + i];
      if (byte === undefined) return undefined;
      if (!continues(first, i, byte)) return tell(bytes, at, i, 'invalid continuation byte');
    }
    at += length;
  }
  return undefined;
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

/** Whether `byte` may be number `i` of a sequence: the second is bound further (RFC 3629, section 4). */
function continues(first: number, i: number, byte: number): boolean {
  if (i === 1) {
    if (first === 0xe0) return byte >= 0xa0 && byte < 0xc0;
    if (first === 0xed) return byte >= 0x80 && byte < 0xa0;
    if (first === 0xf0) return byte >= 0x90 && byte < 0xc0;
    if (first === 0xf4) return byte >= 0x80 && byte < 0x90;
  }
  return byte >= 0x80 && byte < 0xc0;
}

function tell(bytes: Uint8Array, at: number, length: number, reason: string): string {
  if (length > 1) {
    return `'utf-8' codec can't decode bytes in position ${at}-${at + length - 1}: ${reason}`;
  }
  const hex = (bytes[at] ?? 0).toString(16).padStart(2, '0');
  return `'utf-8' codec can't decode byte 0x${hex} in position ${at}: ${reason}`;
}
