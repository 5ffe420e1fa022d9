// Starts the deck, and makes a slide smaller that holds more than fits.
const [WIDTH, HEIGHT, ROOM] = [1280, 720, 690];

function fit() {
  const slide = Reveal.getCurrentSlide();
  slide.style.zoom = 1;
  const [high, wide] = [ROOM / slide.scrollHeight, slide.clientWidth / slide.scrollWidth];
  slide.dataset.zoom = Math.min(1, high, wide).toFixed(2);
  slide.style.zoom = slide.dataset.zoom;
}

await Reveal.initialize({
  width: WIDTH, height: HEIGHT, margin: 0.04, center: false, hash: true, slideNumber: 'c/t',
  transition: 'none', backgroundTransition: 'none', plugins: [RevealNotes],
});
if (window.MathJax.startup.promise) await window.MathJax.startup.promise;
fit();
Reveal.on('slidechanged', fit);
for (const folded of document.querySelectorAll('details')) {
  folded.addEventListener('toggle', fit);
}
document.documentElement.dataset.ready = 'yes';
