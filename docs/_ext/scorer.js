// Sphinx's own scores (searchtools.js), and more for the page on troubleshooting where so many words are searched for as a
// pasted error has: all of them are on it then, as on many a longer page.
const LEAST_WORDS = 3;
const PASTED = (new URLSearchParams(location.search).get("q") ?? "").trim().split(/\s+/).length >= LEAST_WORDS;
var Scorer = {
  score: ([name, _title, _anchor, _description, score]) => score + (PASTED && name === "troubleshooting" ? 20 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
