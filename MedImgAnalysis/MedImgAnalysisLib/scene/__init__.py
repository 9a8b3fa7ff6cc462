"""The only package that imports slicer: nodes to values, values to nodes, and runs in a scene.

Nothing here is imported by the rest of the library, so `import MedImgAnalysisLib` needs neither
slicer nor vtk. Outside Slicer call `standalone.start()` first.
"""
