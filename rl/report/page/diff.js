// Differences of two texts, word by word.
const MOST_WORDS = 1500;

function words(text) {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

// [["same" | "old" | "new", text], ...] by the longest common subsequence of words.
function difference(before, after) {
  const old = words(before), fresh = words(after);
  let start = 0, end = 0;
  while (start < Math.min(old.length, fresh.length) && old[start] === fresh[start]) start++;
  while (end < Math.min(old.length, fresh.length) - start && old[old.length - 1 - end] === fresh[fresh.length - 1 - end]) end++;
  const middle = compare(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end));
  return joined([...old.slice(0, start).map((w) => ["same", w]), ...middle, ...old.slice(old.length - end).map((w) => ["same", w])]);
}

function compare(old, fresh) {
  // The table grows with the product of the lengths: very long texts are shown one after the other.
  if (old.length > MOST_WORDS || fresh.length > MOST_WORDS) {
    return [...old.map((w) => ["old", w]), ...fresh.map((w) => ["new", w])];
  }
  const width = fresh.length + 1;
  const longest = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      longest[i * width + j] = old[i] === fresh[j]
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const parts = [];
  let i = 0, j = 0;
  while (i < old.length && j < fresh.length) {
    if (old[i] === fresh[j]) parts.push(["same", old[i++]]), j++;
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) parts.push(["old", old[i++]]);
    else parts.push(["new", fresh[j++]]);
  }
  while (i < old.length) parts.push(["old", old[i++]]);
  while (j < fresh.length) parts.push(["new", fresh[j++]]);
  return parts;
}

// Neighbours of one kind become one part.
function joined(parts) {
  const out = [];
  for (const [kind, text] of parts) {
    if (out.length && out.at(-1)[0] === kind) out.at(-1)[1] += text;
    else out.push([kind, text]);
  }
  return out;
}
