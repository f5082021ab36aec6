"""The page: ``latentpath serve``. Its rooms, and which way imports run between them.

=========== ==========================================================================================================
`choices`   what can be chosen on the page, checked: numbers come from anybody
`uploads`   pictures that anybody sends, decoded safely
`sessions`  what the server knows of every visitor, and forgets again
`studio`    the models, the folder for files, and the sessions; no page yet
`solving`   a path, found in a thread that can be watched and stopped
`views`     what is shown of it: strips, profiles, maps, numbers, code
`events`    what happens on a click
`api`       what a program may ask
`page`      the Gradio page
`memory`    what is free goes back to the system
`server`    the page behind a port: limits, what may be read, and how it ends
=========== ==========================================================================================================
"""
